"""Whoever a registry sends to for tokens: an issuer of its own, of which it knows the
certificate."""

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.ports import Credentials
from tests.kit.web_server import WebServer, reply, web_server

_ISSUER: Final = "tests"
_SERVICE: Final = "registry"


class TokenIssuer:
    """Gives tokens to whoever shows `opened_by`, for what he asks; `asked` are the scopes of
    each request."""

    def __init__(self, web: WebServer, folder: Path, opened_by: Credentials) -> None:
        self._web = web
        self._opened_by = opened_by
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certified(self._key)
        self._bundle = folder / "issuer.pem"
        self._bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.asked: list[str] = []
        web.answers["/token"] = self._answer

    @property
    def auth(self) -> Mapping[str, Any]:
        """As a registry's configuration names it."""
        return {
            "token": {
                "realm": f"{self._web.url}/token",
                "service": _SERVICE,
                "issuer": _ISSUER,
                "rootcertbundle": str(self._bundle),
            }
        }

    def _answer(self, request: Any) -> None:
        pair = f"{self._opened_by.username}:{self._opened_by.password}"
        expected = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if request.headers.get("Authorization") != expected:
            reply(request, 401, b"{}")
            return
        query = parse_qs(urlsplit(request.path).query)
        scopes = " ".join(query["scope"]).split()
        self.asked.append(" ".join(sorted(scopes)))
        body = json.dumps({"token": self._token(scopes), "expires_in": 300}).encode()
        reply(request, 200, body, content_type="application/json")

    def _token(self, scopes: list[str]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": _ISSUER,
            "sub": self._opened_by.username,
            "aud": _SERVICE,
            "nbf": now - 5,
            "exp": now + 300,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        chain = base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER))
        return jwt.encode(claims, self._key, "ES256", headers={"x5c": [chain.decode()]})


def _certified(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _ISSUER)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@contextmanager
def token_issuer(folder: Path, opened_by: Credentials) -> Iterator[TokenIssuer]:
    with web_server() as web:
        yield TokenIssuer(web, folder, opened_by)
