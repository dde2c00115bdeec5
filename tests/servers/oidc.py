"""An OpenID Connect issuer on loopback: discovery, authorization code with PKCE, and keys. Whoever
comes to its authorization endpoint is signed in as `subject` at once."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT, SECRET, AUDIENCE = "studio", "a secret of both", "api://ml-endpoints"


class OidcIssuer:
    """`roles` are in the tokens it gives; `nonce` takes the place of what was asked for, where it
    is set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subject = "somebody"
        self.roles = ["contributor"]
        self.nonce: str | None = None
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._codes: dict[str, dict[str, str]] = {}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def keys(self) -> dict[str, Any]:
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**jwk, "kid": "one", "use": "sig", "alg": "ES256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        told = {"code": code, "state": query["state"], "iss": self.url}
        return f"{query['redirect_uri']}?{urlencode(told)}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """A code is good once, for whoever began with it, and can prove it."""
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant", "error_description": "The code is no good."}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        return 200, {
            "access_token": self.signed(AUDIENCE, roles=self.roles),
            "id_token": self.signed(CLIENT, nonce=self.nonce or asked["nonce"]),
            "token_type": "Bearer",
        }

    def signed(self, audience: str, **claims: Any) -> str:
        now = int(time.time())
        told = {
            "iss": self.url,
            "aud": audience,
            "sub": self.subject,
            "exp": now + 3600,
            "iat": now,
        }
        return jwt.encode({**told, **claims}, self._key, algorithm="ES256", headers={"kid": "one"})


@contextmanager
def oidc_issuer(name: str = "127.0.0.1") -> Iterator[OidcIssuer]:
    """One on a free port, while this lasts. To browsers `localhost` is another site than
    127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Tests say what they look for themselves."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            match parts.path:
                case "/.well-known/openid-configuration":
                    self._say(200, issuer.discovery())
                case "/keys":
                    self._say(200, issuer.keys())
                case "/authorize":
                    self.send_response(302)
                    self.send_header("Location", issuer.authorize(query))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                case _:
                    self._say(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*issuer.token(form))

        def _say(self, status: int, told: dict[str, Any]) -> None:
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = OidcIssuer(f"http://{name}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
