"""Tokens of an endpoint and the ring of keys that signs them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Conflict
from domain.online.endpoint_tokens import (
    LEAD,
    LONGEST_LIFETIME,
    MAX_KEYS,
    EndpointToken,
    TokenKeyRing,
    TokenSettings,
    issue,
    verify,
)
from domain.ports import Principal
from tests.kit.composed import PlainCipher

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CIPHER = PlainCipher()
RING = TokenKeyRing.generate(CIPHER, NOW)


def made(ring: TokenKeyRing = RING, endpoint: str = "iris", now: datetime = NOW) -> EndpointToken:
    lasting = TokenSettings(
        lifetime=timedelta(minutes=10),
        refresh_after=timedelta(minutes=4),
        key_rotation=timedelta(days=30),
    )
    return issue(
        ring,
        CIPHER,
        endpoint=endpoint,
        caller=Principal("me", frozenset()),
        now=now,
        settings=lasting,
    )


TOKEN = made().access_token.encode()


def test_a_token_says_when_it_ends_and_when_to_ask_anew() -> None:
    token = made()
    assert token.token_type == "Bearer"
    assert token.expiry_time_utc == NOW.timestamp() + 600
    assert token.refresh_after_time_utc == NOW.timestamp() + 240


def test_a_token_is_proved_by_its_key_for_its_endpoint_in_any_case() -> None:
    proved = verify(TOKEN, "Iris", RING.open(CIPHER))
    assert proved is not None
    assert proved.expires_at == NOW.timestamp() + 600
    assert proved.key_id == RING.keys[0].id


def test_no_other_endpoint_s_token_passes_even_under_the_same_key() -> None:
    assert verify(TOKEN, "tulips", RING.open(CIPHER)) is None
    assert verify(TOKEN, "iris", TokenKeyRing.generate(CIPHER, NOW).open(CIPHER)) is None


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEADER, CLAIMS, SIGNATURE = TOKEN.decode().split(".")
KID = RING.keys[0].id


BAD = [
    "",
    ".",
    "..",
    "...",
    f"{HEADER}.{CLAIMS}",
    f"{HEADER}.{CLAIMS}.",
    f"{HEADER}.{CLAIMS}.{SIGNATURE[:-2]}",
    f"{HEADER}.{CLAIMS}.{SIGNATURE}.",
    f"{HEADER}.{CLAIMS}.%%%",
    f"{HEADER}.{part({'aud': 'onlineEndpoints/iris', 'exp': 9e9})}.{SIGNATURE}",
    f"{part({'alg': 'none', 'kid': KID})}.{CLAIMS}.",
    f"{part({'alg': 'HS256', 'kid': 'another'})}.{CLAIMS}.{SIGNATURE}",
    f"{part(['kid'])}.{CLAIMS}.{SIGNATURE}",
    "x" * 100_000,
]


@pytest.mark.parametrize("token", BAD, ids=range(len(BAD)))
def test_whatever_is_no_token_of_the_endpoint_proves_nothing(token: str) -> None:
    assert verify(token.encode(), "iris", RING.open(CIPHER)) is None


@settings(deadline=None)
@given(at=st.integers(0, len(TOKEN) - 1), byte=st.integers(0, 255))
def test_a_token_with_any_byte_changed_proves_nothing_more(at: int, byte: int) -> None:
    changed = TOKEN[:at] + bytes([byte]) + TOKEN[at + 1 :]
    found = verify(changed, "iris", RING.open(CIPHER))
    # The last character of base64 has bits to spare: the same signature, spelled otherwise.
    assert found is None or found == verify(TOKEN, "iris", RING.open(CIPHER))


def test_a_new_key_signs_only_when_every_gateway_knows_it() -> None:
    ring = RING.rotated(CIPHER, NOW)
    assert ring.signer(NOW) == RING.keys[0]
    assert ring.signer(NOW + LEAD) == ring.keys[-1]
    assert verify(TOKEN, "iris", ring.open(CIPHER))


def test_an_old_key_stays_until_its_last_token_has_expired() -> None:
    ring = RING.rotated(CIPHER, NOW)
    later = NOW + LEAD + LONGEST_LIFETIME
    assert RING.keys[0] in ring.rotated(CIPHER, later).keys
    ring = ring.rotated(CIPHER, later + 2 * LEAD)
    assert RING.keys[0] not in ring.keys
    assert verify(TOKEN, "iris", ring.open(CIPHER)) is None


def test_a_ring_is_bounded() -> None:
    ring = RING
    for _ in range(MAX_KEYS - 1):
        ring = ring.rotated(CIPHER, NOW)
    assert len(ring.keys) == MAX_KEYS
    with pytest.raises(Conflict, match="authMode"):
        ring.rotated(CIPHER, NOW)


def test_secrets_stand_sealed_in_the_document() -> None:
    (secret,) = RING.open(CIPHER).values()
    assert len(secret) >= 32
    assert secret.decode() not in json.dumps(RING.to_document())
