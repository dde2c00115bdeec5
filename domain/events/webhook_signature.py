"""Signing what is delivered, as Standard Webhooks has it: a receiver knows that an event is
from this installation, is whole, and is not an old one sent again."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

_BYTES = 32


def new_key() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signature_headers(keys: Iterable[str], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`, one for each of
    `keys`, with a space between. `timestamp` is in Unix seconds, of this attempt."""
    signed = f"{id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_mac(key, signed)}" for key in keys]
    return {
        ID_HEADER: id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def validation_code(key: str, uid: str, generation: int) -> str:
    """What a webhook shows at the callback to agree: known to it alone, for one validation."""
    mac = hmac.new(_raw(key), f"validate.{uid}.{generation}".encode(), hashlib.sha256)
    return mac.hexdigest()


def _mac(key: str, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(_raw(key), signed, "sha256")).decode()


def _raw(key: str) -> bytes:
    return base64.b64decode(key.removeprefix(PREFIX))
