"""An operating system's keyring, for a test's time."""

from typing import Self

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class HeldKeyring(KeyringBackend):
    """A keyring in memory, which may be locked. As a context manager it is the one there is."""

    priority = 1.0
    name = "the test's"

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False
        self._before = keyring.get_keyring()

    def __enter__(self) -> Self:
        keyring.set_keyring(self)
        return self

    def __exit__(self, *_: object) -> None:
        keyring.set_keyring(self._before)

    def get_password(self, service: str, username: str) -> str | None:
        self._look()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._look()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._look()
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("there is none")

    def _look(self) -> None:
        if self.locked:
            raise KeyringLocked("it is locked")
