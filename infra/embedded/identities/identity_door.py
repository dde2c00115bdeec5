"""Where scripts on this machine ask for tokens: as App Service, Azure ML and a virtual machine's
metadata service have it, so that Azure's clients find it by themselves.

Plain HTTP on loopback, for those clients speak nothing else here; what opens it is a secret of
one deployment.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from domain.audit.login_counts import Login, LoginCounts
from domain.errors import DomainError, NotFound, Unavailable
from infra.embedded.identities.identity_tokens import LIFETIME, IdentityToken, IdentityTokens

_log = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"
_TOKEN_PATH: Final = "/msi/token"
_METADATA_PATH: Final = re.compile(r"/([A-Za-z0-9_.=-]{1,600})/metadata/identity/oauth2/token")
_HEAD: Final = 16 * 1024
_PATIENCE: Final = 15.0
_AT_ONCE: Final = 64
_ACTION: Final = "identities/token/action"
_NAMES: Final = {
    "client_id": "client_id",
    "clientid": "client_id",
    "object_id": "object_id",
    "principal_id": "object_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
    "resource_id": "resource_id",
}
"""What an identity is chosen by, as one client or another spells it."""


class _Refused(Exception):
    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


@dataclass(frozen=True)
class _Question:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class IdentityDoor:
    """`variables` have a secret by which the processes of one workload are somebody, for as long
    as this host lives. Each token, and each refusal, is counted in the audit log."""

    def __init__(self, tokens: IdentityTokens, logins: LoginCounts) -> None:
        self._tokens = tokens
        self._logins = logins
        self._key = secrets.token_bytes(32)
        self._server: asyncio.Server | None = None
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.url = ""
        """Where it is, once it has started."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, _HOST, 0, limit=_HEAD)
        self.url = f"http://{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def variables(self, holder: str, owner: str) -> Mapping[str, str]:
        """By which Azure's clients find it. `owner` is the workload."""
        secret, url = self._secret(holder, owner), f"{self.url}{_TOKEN_PATH}"
        return {
            "IDENTITY_ENDPOINT": url,
            "IDENTITY_HEADER": secret,
            "MSI_ENDPOINT": url,
            "MSI_SECRET": secret,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{self.url}/{secret}",
        }

    def _secret(self, holder: str, owner: str) -> str:
        told = json.dumps([holder, owner]).encode()
        return f"{_text(told)}.{_text(self._mark(told))}"

    def _mark(self, told: bytes) -> bytes:
        return hmac.new(self._key, told, hashlib.sha256).digest()

    def _holder(self, secret: str) -> str:
        """Raises _Refused."""
        told, _, mark = secret.partition(".")
        try:
            whom = _bytes(told)
            is_ours = hmac.compare_digest(_bytes(mark), self._mark(whom))
        except ValueError:
            is_ours = False
        if not is_ours:
            raise _Refused(401, "unauthorized_client", "The secret of the token endpoint is wrong.")
        holder: str = json.loads(whom)[0]
        return holder

    # -- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            async with asyncio.timeout(_PATIENCE), self._room:
                status, body = await self._answer(reader)
                content = json.dumps(body).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(content)}\r\ncache-control: no-store\r\n"
                    "connection: close\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        except (TimeoutError, OSError):
            _log.debug("a caller of the token door went away, or kept it waiting")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
        holder = ""
        try:
            question = await _read(reader)
            holder, resource, chosen = self._asked(question)
            given = await self._tokens.token(holder, resource, chosen)
        except _Refused as refused:
            self._count(holder, refused.status, refused.error)
            return _refusal(refused.status, refused.error, refused.message)
        except DomainError as error:
            status = 503 if isinstance(error, Unavailable) else 400
            code = error.code if error.code.islower() else "invalid_request"
            self._count(holder, 404 if isinstance(error, NotFound) else status, error.code)
            return _refusal(status, code, error.message)
        except ConnectionError:
            raise  # the caller left: nobody is there to be told, and nothing has failed
        except Exception:  # a fault of ours is told as one, not as a connection that broke
            _log.exception("the token door failed")
            return _refusal(500, "server_error", "The token endpoint failed inside.")
        self._count(holder, 200, "", given)
        return "200 OK", _shown(given)

    def _asked(self, question: _Question) -> tuple[str, str, dict[str, str]]:
        """Whose token, for what, and of which identity. Raises _Refused."""
        headers, query = question.headers, question.query
        if question.path == _TOKEN_PATH:
            secret = headers.get("x-identity-header") or headers.get("secret") or ""
        elif found := _METADATA_PATH.fullmatch(question.path):
            if headers.get("metadata", "").casefold() != "true":
                raise _Refused(400, "invalid_request", "The header 'Metadata: true' is missing.")
            secret = found[1]
        else:
            raise _Refused(404, "not_found", "There is no token endpoint at this path.")
        holder = self._holder(secret)
        resource = query.get("resource") or query.get("scope") or ""
        if not resource:
            raise _Refused(400, "invalid_request", "The parameter 'resource' is missing.")
        chosen = {ours: query[name] for name, ours in _NAMES.items() if query.get(name)}
        return holder, resource, chosen

    def _count(
        self, holder: str, code: int, error: str, given: IdentityToken | None = None
    ) -> None:
        identity = given.identity if given is not None else None
        self._logins.count(
            Login(
                _ACTION,
                holder,
                _HOST,
                code,
                caller=identity.principal_id if identity else "",
                client=identity.resource if identity else "",
                error=error,
            )
        )


async def _read(reader: asyncio.StreamReader) -> _Question:
    """Raises _Refused, and ConnectionError where nothing comes."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise _Refused(431, "invalid_request", "The request's head is too large.") from None
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the caller left") from error
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    if method not in ("GET", "POST"):
        raise _Refused(405, "invalid_request", "Tokens are asked for by GET.")
    headers = {name.strip().lower(): value.strip() for name, _, value in _split(lines)}
    try:
        target = urlsplit(rest.partition(" ")[0])
        query = dict(parse_qsl(target.query, max_num_fields=32))
    except ValueError:
        raise _Refused(400, "invalid_request", "The request's URL cannot be read.") from None
    return _Question(target.path, query, headers)


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if ":" in line]


def _shown(given: IdentityToken) -> dict[str, Any]:
    """In every shape at once: clients read what they know."""
    remaining = str(given.expires_at - int(time.time()))
    return {
        "access_token": given.token,
        "token_type": "Bearer",
        "resource": given.resource,
        "client_id": given.identity.client_id,
        "expires_on": str(given.expires_at),
        "expires_in": remaining,
        "ext_expires_in": remaining,
        "not_before": str(given.expires_at - LIFETIME),
    }


def _refusal(status: int, error: str, message: str) -> tuple[str, dict[str, Any]]:
    body = {
        "statusCode": status,
        "message": message,
        "error": error,
        "error_description": message,
    }
    return f"{status} Refused", body


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
