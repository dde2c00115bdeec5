"""The embedded host's own token issuer: OAuth 2.0 client credentials (RFC 6749, section 4.4)
and OpenID discovery, in the places where Entra ID has them."""

import asyncio
import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.audit.address_limits import AddressLimits
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import Login
from domain.errors import Throttled
from domain.ground.access import roles_of
from infra.embedded.access.clients import TOKEN_PATH, Client, ClientRegistry
from infra.embedded.access.private_files import write_private
from infra.embedded.host.invocation import new_id
from infra.embedded.http.admission import admitted
from infra.web.token_verifier import VERSION_CLAIM

KEYS_PATH = "/oauth2/v2.0/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"

LIFETIME = 3600
_ALGORITHM = "ES256"
_BODY_LIMIT = 16 * 1024
_LONGEST_ID = 64
_ACTION = "clients/token/action"
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


class SigningKey:
    """The issuer's ES256 key, made at first use and kept in `file`. Blocking until then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._jwk: dict[str, Any] = {}

    def load(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            try:
                key = serialization.load_pem_private_key(self._file.read_bytes(), None)
            except FileNotFoundError:
                key = ec.generate_private_key(ec.SECP256R1())
                write_private(self._file, _pem(key))
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{self._file.name} holds no ES256 key")
            self._jwk = _public_jwk(key)
            self._key = key
        return self._key

    def jwks(self) -> dict[str, Any]:
        """The public half, as published."""
        self.load()
        return {"keys": [self._jwk]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        key = self.load()
        headers = {"kid": self._jwk["kid"]}
        return jwt.encode(dict(claims), key, algorithm=_ALGORITHM, headers=headers)


class TokenIssuer:
    """Issues one-hour bearer tokens to registered clients; `roles` says what each may do.
    They are for `audience`, unless a client's `scope` is one of the other `audiences` and
    `/.default`, as Entra ID has it. `rates` are of tokens, `door` hears of who is refused."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: SigningKey,
        clients: ClientRegistry,
        *,
        audiences: Sequence[str],
        rates: AddressLimits,
        door: CredentialDoor,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._by_scope = {f"{other.rstrip('/')}/.default": other for other in audiences}
        self._keys = keys
        self._clients = clients
        self._rates = rates
        self._door = door

    def issue_for(self, client: Client, seconds: int) -> str:
        """For the control plane, good for so long."""
        return self.issue(client, seconds=seconds)

    def issue(self, client: Client, scope: str = "", seconds: int = LIFETIME) -> str:
        now = int(time.time())
        return self._keys.sign(
            {
                "iss": self._issuer,
                "aud": self._by_scope.get(scope.strip(), self._audience),
                "sub": client.client_id,
                "azp": client.client_id,
                "name": client.name,
                "roles": roles_of(client.role),
                VERSION_CLAIM: client.version,
                "iat": now,
                "nbf": now,
                "exp": now + seconds,
                "jti": new_id(),
                "ver": "2.0",
            }
        )

    async def token(self, request: Request) -> Response:
        """POST /oauth2/v2.0/token."""
        if request.method != "POST":
            return _refused(405, "invalid_request", "tokens are asked for by POST", allow="POST")
        address = request.client.host if request.client else ""
        try:
            self._rates.check(address, "")
        except Throttled as error:
            return _throttled(error)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return _refused(
                400, "invalid_request", "the body must be application/x-www-form-urlencoded"
            )
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_LIMIT:
                return _refused(413, "invalid_request", f"the body exceeds {_BODY_LIMIT} bytes")
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=32)
        except ValueError:
            return _refused(400, "invalid_request", "the body is no form")
        answer = await self._grant(form, request.headers.get("authorization"), address)
        if answer.status_code == 200:
            admitted(request)
        return answer

    async def keys(self, request: Request) -> Response:
        """GET /oauth2/v2.0/keys."""
        jwks = await asyncio.to_thread(self._keys.jwks)
        return JSONResponse(jwks, headers={"cache-control": "max-age=3600"})

    async def discovery(self, request: Request) -> Response:
        """GET /.well-known/openid-configuration."""
        return JSONResponse(
            {
                "issuer": self._issuer,
                "token_endpoint": self._issuer.rstrip("/") + TOKEN_PATH,
                "jwks_uri": self._issuer.rstrip("/") + KEYS_PATH,
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [_ALGORITHM],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                ],
            }
        )

    async def _grant(
        self, form: Mapping[str, list[str]], authorization: str | None, address: str
    ) -> Response:
        if any(len(values) > 1 for values in form.values()):
            return _refused(400, "invalid_request", "a parameter is given more than once")
        given = {name: values[0] for name, values in form.items()}
        grant = given.get("grant_type")
        if grant is None:
            return _refused(400, "invalid_request", "grant_type is missing")
        if grant != "client_credentials":
            return _refused(
                400, "unsupported_grant_type", "only client_credentials is offered here"
            )
        by_header = authorization is not None
        if by_header and "client_secret" in given:
            return _refused(400, "invalid_request", "the client authenticates in two ways at once")
        credentials = (
            _basic(authorization)
            if authorization is not None
            else (given.get("client_id", ""), given.get("client_secret", ""))
        )
        if credentials is None or not all(credentials):
            self._rates.count(address, "")
            return _unknown_client(by_header)
        try:
            client = await self._authenticated(*credentials, address)
        except Throttled as error:
            return _throttled(error)
        if client is None:
            return _unknown_client(by_header)
        token = await asyncio.to_thread(self.issue, client, given.get("scope", ""))
        return JSONResponse(
            {
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "ext_expires_in": LIFETIME,
                "access_token": token,
            },
            headers=_NO_STORE,
        )

    async def _authenticated(self, id: str, secret: str, address: str) -> Client | None:
        """Raises Throttled for a client, or an address, that asks too often."""
        who, shown = id[:_LONGEST_ID].encode(errors="replace").decode(), _bytes(secret)
        login = Login(_ACTION, "", address, 401, caller=who, error="invalid_client")
        try:
            self._door.check(address, who, shown)
            self._rates.check(address, who)
        except Throttled as error:
            self._door.refused(who, replace(login, code=429, error=error.code), credential=b"")
            raise
        self._rates.count(address, who)
        client = await asyncio.to_thread(self._clients.authenticate, id, secret)
        if client is None:
            self._door.refused(who, login, credential=shown)
            return None
        self._door.taken(address, who, shown)
        self._door.logged_in(
            replace(
                login, code=200, error="", resource=f"clients/{client.name}", client=client.name
            )
        )
        return client


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, separator, secret = (
            base64.b64decode(value.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote_plus(user), unquote_plus(secret)) if separator else None


def _throttled(error: Throttled) -> Response:
    response = _refused(429, "temporarily_unavailable", error.message)
    response.headers["retry-after"] = str(round(error.retry_after))
    return response


def _bytes(secret: str) -> bytes:
    """What a caller sent, even if it is no proper text."""
    return secret.encode(errors="surrogatepass")


def _unknown_client(by_header: bool) -> Response:
    response = _refused(401, "invalid_client", "no client has this id and secret")
    if by_header:
        response.headers["www-authenticate"] = 'Basic realm="ml-endpoints"'
    return response


def _refused(status: int, error: str, description: str, *, allow: str | None = None) -> Response:
    headers = {**_NO_STORE, **({"allow": allow} if allow else {})}
    return JSONResponse(
        {"error": error, "error_description": description}, status_code=status, headers=headers
    )


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    # The key's thumbprint (RFC 7638), so that a replaced key file means a new id.
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=")
    return {**members, "use": "sig", "alg": _ALGORITHM, "kid": thumbprint.decode()}


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
