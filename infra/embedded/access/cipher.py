"""Secrets at rest, sealed with a key that never leaves its file."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from domain import errors
from domain.ports import Cipher


class FernetCipher(Cipher):
    """Fernet (AES-128-CBC, HMAC-SHA256) over a key file, made with mode 0600 when it is not
    there. The file is read or made at first use, and only once."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._fernet: Fernet | None = None

    def encrypt(self, plain: str) -> str:
        return self._opened().encrypt(plain.encode()).decode("ascii")

    def decrypt(self, sealed: str) -> str:
        try:
            return self._opened().decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            raise errors.Invalid(
                "This secret was not sealed with this installation's key."
            ) from None

    async def close(self) -> None:
        self._fernet = None

    def _opened(self) -> Fernet:
        if self._fernet is None:
            try:
                self._fernet = Fernet(_key(self._key_file))
            except ValueError:
                raise errors.Unavailable(f"{self._key_file.name} holds no key.") from None
        return self._fernet


def _key(file: Path) -> bytes:
    """The key in `file`. Made whole under another name and linked into place, so that of
    two processes that make it at once both use the one that came first, and none half of it."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(Fernet.generate_key())
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
    return file.read_bytes()
