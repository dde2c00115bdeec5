"""How what an installation has in a cluster is told from what is not its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MANAGER: Final = "ml-endpoints"
"""Whose fields ours are."""
SCALER: Final = "ml-endpoints-scale"
INSTALLATION: Final = "ml-endpoints.installation"
GROUP: Final = "ml-endpoints.group"
ATTEMPT: Final = "ml-endpoints.attempt"
POD: Final = "ml-endpoints.pod"
"""A pod's own name, where a Service is to lead to it alone."""
KEY: Final = "ml-endpoints.key"
IMAGE: Final = "ml-endpoints.image"
"""What a group was made from, as JSON."""
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_NAME: Final = "app.kubernetes.io/name"
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
NODE: Final = "ml-endpoints-node"


@dataclass(frozen=True)
class Names:
    """Of one installation, by its id: lower-case letters and digits."""

    installation: str

    @property
    def selector(self) -> str:
        return f"{INSTALLATION}={self.installation}"

    def of(self, group: str) -> str:
        """Of every object of a group, at most 63 characters."""
        return f"mle-{self.installation}-{group}"

    def selected(self, group: str) -> Mapping[str, str]:
        """What a group's pods are found by, and nothing else is."""
        return {INSTALLATION: self.installation, GROUP: group}

    def labels(self, group: str) -> Mapping[str, str]:
        return {_NAME: NODE, _MANAGED_BY: MANAGER, **self.selected(group)}
