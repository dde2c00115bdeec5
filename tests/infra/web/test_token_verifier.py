"""Bearer tokens against one trusted issuer."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from domain.errors import Unauthenticated, Unavailable
from infra.web.client_standing import UnsaidStanding
from infra.web.token_rights import ClaimedRoles
from infra.web.token_verifier import JwtVerifier, PublishedKeys, StaticKeys

ISSUER, AUDIENCE = "https://issuer.example", "api://ml-endpoints"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def jwks() -> dict[str, Any]:
    ec_jwk = jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)
    rsa_jwk = jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
    return {
        "keys": [
            {**ec_jwk, "kid": "ec", "use": "sig", "alg": "ES256"},
            {**rsa_jwk, "kid": "rsa", "use": "sig"},
            {**rsa_jwk, "kid": "encryption", "use": "enc"},
            {"kty": "unheard-of", "kid": "odd"},
        ]
    }


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "someone",
        "roles": ["reader"],
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def token(key: Any = EC_KEY, algorithm: str = "ES256", kid: str = "ec", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


VERIFIER = JwtVerifier((ISSUER,), (AUDIENCE,), StaticKeys(jwks), UnsaidStanding(), ClaimedRoles())


async def test_a_directory_object_id_goes_before_the_pairwise_subject() -> None:
    assert (await VERIFIER.verify(token(oid="object"))).id == "object"


def forged() -> str:
    """HS256 with the public key as the secret: what a verifier that trusts `alg` accepts."""
    public = EC_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "kid": "ec", "typ": "JWT"}, claims()]
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(hmac.new(public, text.encode(), hashlib.sha256).digest())}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


# Made when a test runs: a token is not kept between its collection and its turn.
GOOD: Mapping[str, Callable[[], str]] = {
    "elliptic": token,
    "RSA": lambda: token(RSA_KEY, "RS256", "rsa"),
}
REFUSED: Mapping[str, Callable[[], str]] = {
    "no token": lambda: "nonsense",
    "empty": lambda: "",
    "expired": lambda: token(exp=int(time.time()) - 120),
    "not yet valid": lambda: token(nbf=int(time.time()) + 600),
    "no expiry": lambda: token(exp=None),
    "another issuer": lambda: token(iss="https://other.example"),
    "another audience": lambda: token(aud="api://other"),
    "no audience": lambda: token(aud=None),
    "no subject": lambda: token(sub=None),
    "another key": lambda: token(ec.generate_private_key(ec.SECP256R1())),
    "unknown key": lambda: token(kid="unknown"),
    "encryption key": lambda: token(RSA_KEY, "RS256", "encryption"),
    "unsigned": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "ec"}),
    "signed with the public key": forged,
    "algorithm of another key": lambda: token(RSA_KEY, "RS256", "ec"),
    "no key id": lambda: jwt.encode(claims(), EC_KEY, algorithm="ES256"),
    "longer hash": lambda: token(RSA_KEY, "RS512", "rsa"),
}


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD.keys())
async def test_a_token_of_the_issuer_names_its_subject_and_roles(made: Callable[[], str]) -> None:
    principal = await VERIFIER.verify(made())
    assert principal.id == "someone"
    assert principal.roles == {"reader"}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED.keys())
async def test_anything_else_is_refused(made: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated):
        await VERIFIER.verify(made())


async def test_roles_that_are_no_list_give_no_right() -> None:
    assert (await VERIFIER.verify(token(roles="owner"))).roles == frozenset()


class Publisher:
    """A key set that counts how often it is fetched."""

    def __init__(self, content: Callable[[], bytes]) -> None:
        self.content = content
        self.fetched = 0
        self.now = 1000.0

    def fetch(self, url: str) -> bytes:
        self.fetched += 1
        return self.content()

    def source(self) -> PublishedKeys:
        return PublishedKeys("https://issuer.example/keys", fetch=self.fetch, clock=self.clock)

    def clock(self) -> float:
        return self.now


async def test_published_keys_are_fetched_once_and_made_up_ids_once_a_minute() -> None:
    publisher = Publisher(lambda: json.dumps(jwks()).encode())
    keys = publisher.source()
    assert await keys.key("ec") is not None
    assert publisher.fetched == 1
    for number in range(20):
        assert await keys.key(f"made-up-{number}") is None
    assert publisher.fetched == 1
    publisher.now += 61
    for number in range(20):
        assert await keys.key(f"made-up-{number}") is None
    assert publisher.fetched == 2


async def test_known_keys_outlive_an_issuer_that_is_away() -> None:
    publisher = Publisher(lambda: json.dumps(jwks()).encode())
    keys = publisher.source()
    await keys.key("ec")

    def away() -> bytes:
        raise OSError("connection refused")

    publisher.content = away
    publisher.now += 7200
    assert await keys.key("ec") is not None
    assert publisher.fetched == 2


@pytest.mark.parametrize("content", [b"not json", b"{}", b"[]"])
async def test_an_issuer_that_never_answered_well_is_unavailable(content: bytes) -> None:
    publisher = Publisher(lambda: content)
    with pytest.raises(Unavailable):
        await publisher.source().key("ec")


async def test_keys_are_not_fetched_in_the_clear() -> None:
    with pytest.raises(Unavailable):
        await PublishedKeys("http://issuer.example/keys").key("ec")
