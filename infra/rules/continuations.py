"""Continuations that only their giver can make."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from domain import errors

_SIGNATURE = 16


class Continuations:
    """Opaque text for a position in the answer to one question. Text that was not given
    for that very question is refused (Invalid)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, position: tuple[str, str], question: Any) -> str:
        payload = json.dumps(position).encode()
        return base64.urlsafe_b64encode(self._sign(payload, question) + payload).decode("ascii")

    def read(self, text: str, question: Any) -> tuple[str, str]:
        try:
            raw = base64.b64decode(text.encode("ascii"), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raw = b""
        signature, payload = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(payload, question)):
            raise errors.Invalid("This continuation does not belong to this query.")
        partition, id = json.loads(payload)
        return partition, id

    def _sign(self, payload: bytes, question: Any) -> bytes:
        message = json.dumps(question).encode() + b"\0" + payload
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_SIGNATURE]
