"""Secrets at rest, sealed with keys from the settings (in Azure, from Key Vault)."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain import errors
from domain.ports import Cipher


class SettingCipher(Cipher):
    """Fernet under keys derived from `keys`, random texts between commas: the first seals,
    every one opens, so that a new key can be put in front. Only where there are several has it a
    name: v0.1.0 reads nothing that says by which it was sealed."""

    def __init__(self, keys: str) -> None:
        derived = [_derived(key.strip()) for key in keys.split(",") if key.strip()]
        self._fernets = [Fernet(key) for key in derived]
        self._key_id = _id_of(derived[0]) if len(derived) > 1 else None

    @property
    def key_id(self) -> str | None:
        return self._key_id

    def encrypt(self, plain: str) -> str:
        return self._fernets[0].encrypt(plain.encode()).decode("ascii")

    def decrypt(self, sealed: str) -> str:
        return self._opened(sealed)[1]

    def renewed(self, sealed: str) -> str | None:
        number, plain = self._opened(sealed)
        return self.encrypt(plain) if number else None

    def _opened(self, sealed: str) -> tuple[int, str]:
        """By which of the keys, and what is in it."""
        for number, fernet in enumerate(self._fernets):
            try:
                return number, fernet.decrypt(sealed.encode()).decode()
            except (InvalidToken, UnicodeError):
                continue
        raise errors.Invalid(
            "This secret was not sealed with this installation's key, nor with another that it has."
        )


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"id of " + key).hexdigest()[:16]


def _derived(key: str) -> bytes:
    # The text is random and long, so that one pass of a hash is enough.
    derive = HKDF(SHA256(), length=32, salt=None, info=b"ml-endpoints secrets at rest")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
