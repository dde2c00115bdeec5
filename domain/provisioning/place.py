"""What names an endpoint, or a deployment of it."""

from dataclasses import dataclass
from typing import Self

from domain.ground.resource import TrackedResource

ENDPOINT_ID = "endpoint"


@dataclass(frozen=True)
class Place:
    """Of one kind: `deployment` is None where the endpoint itself is meant."""

    endpoint: str
    deployment: str | None = None

    @classmethod
    def of(cls, resource: TrackedResource) -> Self:
        """A deployment says whose it is."""
        endpoint = getattr(resource, "endpoint", None)
        return cls(resource.name) if endpoint is None else cls(endpoint, resource.name)

    @property
    def is_deployment(self) -> bool:
        return self.deployment is not None

    @property
    def name(self) -> str:
        return self.endpoint if self.deployment is None else self.deployment

    @property
    def document_id(self) -> str:
        """In the partition that an endpoint shares with its deployments."""
        if self.deployment is None:
            return ENDPOINT_ID
        return f"deployment:{self.deployment.casefold()}"

    @property
    def owner(self) -> "Place":
        return Place(self.endpoint)
