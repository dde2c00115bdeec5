"""API2: tokens that nobody issued, secrets that are guessed."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.attack.ground import Attempt, Ground


def credentials(ground: Ground) -> Iterator[Attempt]:
    """Forged and stretched tokens at the control plane and at a scoring URI; guessed secrets."""
    good = ground.token("owner")
    for what, token in forged(good):
        answer = ground.http.get(
            ground.url("onlineEndpoints"),
            params={"api-version": "2024-10-01"},
            headers={"authorization": f"Bearer {token}"},
        )
        yield Attempt(f"a token with {what}", answer.status_code == 401, str(answer.status_code))
    for header in (f"bearer  {good}x", f"Basic {good}", good, f"Bearer {good}, Bearer {good}"):
        answer = ground.http.get(ground.url("onlineEndpoints"), headers={"authorization": header})
        held = answer.status_code == 401
        yield Attempt(f"the header {header[:12]}…", held, str(answer.status_code))
    answer = ground.http.post(
        ground.url("/endpoints/mine/score"), headers={"authorization": f"Bearer {good}"}, json={}
    )
    held = answer.status_code in (401, 403)
    yield Attempt("an owner's token as an endpoint's key", held, str(answer.status_code))
    yield from _guesses(ground)


def forged(good: str) -> Iterator[tuple[str, str]]:
    """Tokens that nobody issued, made of one that somebody did."""
    head = jwt.get_unverified_header(good)
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def signed(changes: dict[str, Any], **header: Any) -> str:
        return jwt.encode({**claims, **changes}, pem, "ES256", {**head, **header})

    yield "no algorithm", f"{_part({**head, 'alg': 'none'})}.{_part(claims)}."
    yield "none in capitals", f"{_part({**head, 'alg': 'NONE'})}.{_part(claims)}."
    yield "another's key", signed({})
    yield "a key of its own in the head", signed({}, jwk={"kty": "EC"})
    yield "a key at an address", signed({}, jku="https://elsewhere/keys", x5u="https://elsewhere")
    yield "a key id that is a path", signed({}, kid="../../../../dev/null")
    yield "a key id that is a query", signed({}, kid="' OR 1=1 --")
    plain = {name: value for name, value in head.items() if name != "alg"}
    symmetric = public.replace(b"-----BEGIN PUBLIC KEY-----", b"").replace(b"\n", b"")
    yield "a symmetric signature", jwt.encode(claims, symmetric, "HS256", plain)
    body = good.split(".")
    yield (
        "other claims",
        f"{body[0]}.{_part({**claims, 'exp': int(time.time()) + 10**6})}.{body[2]}",
    )
    yield "its signature cut off", ".".join(body[:2])
    yield "a signature of one byte", f"{body[0]}.{body[1]}.AA"
    yield "a hundred parts", ".".join([body[0]] * 100)
    yield "nothing in it", "."
    yield "much in it", "A" * 7000


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _guesses(ground: Ground) -> Iterator[Attempt]:
    url = ground.host.connection["token_url"]
    client = ground.host.connection["client_id"]
    seen = set()
    for number in range(60):
        form = {"grant_type": "client_credentials", "client_id": client}
        answer = ground.http.post(url, data={**form, "client_secret": f"guess-{number}"})
        seen.add(answer.status_code)
    yield Attempt("sixty guesses of a secret", seen <= {400, 401, 429}, str(sorted(seen)))
    yield Attempt("guesses are slowed down", 429 in seen, str(sorted(seen)))
