"""Where a node's processes ask for tokens, as App Service, Azure ML and a virtual machine's
metadata service have it: plain HTTP on the container's own loopback, opened by a secret of this
life."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..time_limit import within
from .tokens import Token, Tokens

_HOST = "127.0.0.1"
_PATH = "/msi/token"
_METADATA = "/metadata/identity/oauth2/token"
_HEAD = 16 * 1024
_PATIENCE = 30.0
_FIRST = 20.0
"""Seconds for which a script waits for the host's first push: both begin at once."""
_STEP = 0.05
_NAMES = {
    "client_id": "client_id",
    "clientid": "client_id",
    "object_id": "object_id",
    "principal_id": "object_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
    "resource_id": "resource_id",
}


class Refused(Exception):
    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


class TokenDoor:
    """With no `port` and no `secret`, ones of its own. Raises OSError where the port is taken."""

    def __init__(self, tokens: Tokens, port: int, secret: str) -> None:
        self._tokens = tokens
        self._secret = secret or secrets.token_urlsafe(32)
        self._listener = socket.create_server((_HOST, port))
        self._server: asyncio.AbstractServer | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """By which Azure's clients find it."""
        url = f"http://{_HOST}:{self._listener.getsockname()[1]}"
        return {
            "IDENTITY_ENDPOINT": url + _PATH,
            "IDENTITY_HEADER": self._secret,
            "MSI_ENDPOINT": url + _PATH,
            "MSI_SECRET": self._secret,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{url}/{self._secret}",
        }

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=_HEAD)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await within(self._answer(reader), _PATIENCE)
            content = json.dumps(body).encode()
            head = (
                f"HTTP/1.1 {status} Token\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\n"
                "Connection: close\r\n\r\n"
            )
            writer.write(head.encode() + content)
            await writer.drain()
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, OSError):  # noqa: UP041 - 3.9
            pass  # It went away, or kept us waiting.
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
        try:
            path, query, headers = await _read(reader)
            self._check(path, headers)
            resource = query.get("resource") or query.get("scope") or ""
            if not resource:
                raise Refused(400, "invalid_request", "The parameter 'resource' is missing.")
            chosen = {ours: query[name] for name, ours in _NAMES.items() if query.get(name)}
            return 200, _shown(await self._found(resource, chosen), resource)
        except Refused as refused:
            told = {"statusCode": refused.status, "message": refused.message}
            return refused.status, {
                **told,
                "error": refused.error,
                "error_description": refused.message,
            }

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        if path == _PATH:
            shown = headers.get("x-identity-header") or headers.get("secret") or ""
        elif path.endswith(_METADATA):
            if headers.get("metadata", "").lower() != "true":
                raise Refused(400, "invalid_request", "The header 'Metadata: true' is missing.")
            shown = path[1 : -len(_METADATA)]
        else:
            raise Refused(404, "not_found", "There is no token endpoint at this path.")
        if not hmac.compare_digest(shown.encode(), self._secret.encode()):
            raise Refused(401, "unauthorized_client", "The secret of the token endpoint is wrong.")

    async def _found(self, resource: str, chosen: Mapping[str, str]) -> Token:
        ends = time.monotonic() + _FIRST
        while not self._tokens.told and time.monotonic() < ends:  # noqa: ASYNC110 - see _FIRST
            await asyncio.sleep(_STEP)
        if not self._tokens.told:
            raise Refused(503, "temporarily_unavailable", "The host has given no tokens yet.")
        found = self._tokens.find(resource, chosen)
        if found is not None:
            return found
        known = self._tokens.resources
        if not known:
            raise Refused(400, "identity_not_found", "No identity is assigned here.")
        if resource.split("/.default", maxsplit=1)[0].rstrip("/") not in known:
            told = f"Tokens for '{resource[:200]}' are not given here; there are those for "
            raise Refused(400, "invalid_resource", told + ", ".join(known) + ".")
        named = ", ".join(f"{name} '{value[:200]}'" for name, value in chosen.items())
        told = (
            f"No identity with {named} is assigned here."
            if named
            else ("There are several identities, and no own one: say which by client_id.")
        )
        raise Refused(400, "identity_not_found", told)


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], dict[str, str]]:
    """Path, query and headers. Raises Refused."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Refused(431, "invalid_request", "The request's head is too large.") from None
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    if method not in ("GET", "POST"):
        raise Refused(405, "invalid_request", "Tokens are asked for by GET.")
    target = urlsplit(rest.partition(" ")[0])
    fields = [line.partition(":") for line in lines if ":" in line]
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return target.path, dict(parse_qsl(target.query)), headers


def _shown(found: Token, resource: str) -> dict[str, Any]:
    """In every shape at once: clients read what they know."""
    remaining = str(int(found.expires_at - time.time()))
    return {
        "access_token": found.token,
        "token_type": "Bearer",
        "resource": resource,
        "client_id": found.names.get("client_id", ""),
        "expires_on": str(int(found.expires_at)),
        "expires_in": remaining,
        "ext_expires_in": remaining,
        "not_before": str(int(time.time())),
    }
