"""How what an installation has on an engine is told from what is not its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INSTALLATION: Final = "ml-endpoints.installation"
GROUP: Final = "ml-endpoints.group"
KEY: Final = "ml-endpoints.key"
NUMBER: Final = "ml-endpoints.number"
LIFE: Final = "ml-endpoints.life"
LIVES: Final = "ml-endpoints.lives"
ATTEMPT: Final = "ml-endpoints.attempt"
ROLE: Final = "ml-endpoints.role"
PORT: Final = "ml-endpoints.port"
IMAGE: Final = "ml-endpoints.image"
CODE_ROOT: Final = "ml-endpoints.code-root"
VOLUMES: Final = ("model", "code")
"""Of a group whose server is the user's own."""


@dataclass(frozen=True)
class Labels:
    """Of one installation, by its id: lower-case letters and digits."""

    installation: str

    @property
    def mine(self) -> str:
        """A filter."""
        return f"{INSTALLATION}={self.installation}"

    @property
    def repository(self) -> str:
        return f"ml-endpoints-{self.installation}"

    def network(self, *, closed: bool) -> str:
        return f"{self.repository}-closed" if closed else self.repository

    def container(self, group: str, number: int, life: int) -> str:
        return f"{self.repository}-{group}-{number}-{life}"

    def volume(self, group: str, what: str) -> str:
        return f"{self.repository}-{group}-{what}"

    def of_image(self, what: str) -> Mapping[str, str]:
        return {INSTALLATION: self.installation, IMAGE: what}

    @property
    def of_network(self) -> Mapping[str, str]:
        return {INSTALLATION: self.installation}
