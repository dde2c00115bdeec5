"""Secrets at rest, sealed with keys from the settings (in Azure, from Key Vault)."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain import errors
from domain.ports import Cipher


class SettingCipher(Cipher):
    """Fernet under keys derived from `keys`, random texts between commas: the first seals,
    every one opens, so that a new key can be put in front."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys.split(",") if key])

    def encrypt(self, plain: str) -> str:
        return self._fernet.encrypt(plain.encode()).decode("ascii")

    def decrypt(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            raise errors.Invalid(
                "This secret was not sealed with this installation's key."
            ) from None


def _derived(key: str) -> bytes:
    # The text is random and long, so that one pass of a hash is enough.
    derive = HKDF(SHA256(), length=32, salt=None, info=b"ml-endpoints secrets at rest")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
