"""Endpoints and their deployments as the store holds them: their names, ids and partitions,
and reading them."""

from typing import ClassVar, Generic, Literal, TypeVar

from domain import names
from domain.errors import DocumentNotFound, NotFound
from domain.ground.resource import Stored, TrackedResource, from_document
from domain.ports import Document, ResourceStore

E = TypeVar("E", bound=TrackedResource)
D = TypeVar("D", bound=TrackedResource)

ENDPOINT_ID = "endpoint"


def deployment_id(name: str) -> str:
    return f"deployment:{name.casefold()}"


def owner_of(resource: TrackedResource) -> str:
    """The endpoint's name: a deployment's own endpoint, or an endpoint itself."""
    owner: str = getattr(resource, "endpoint", resource.name)
    return owner


class EndpointDocuments(Generic[E, D]):
    """One kind of endpoint. An endpoint, its deployments and their operations share a
    partition, so that one transaction can speak of all of them."""

    kind: ClassVar[Literal["onlineEndpoints", "batchEndpoints"]]
    endpoint_kind: ClassVar[str]
    deployment_kind: ClassVar[str]
    endpoint_type: type[E]
    deployment_type: type[D]

    def __init__(self, store: ResourceStore, scope: names.WorkspaceScope) -> None:
        self._store = store
        self._scope = scope

    # -- names --------------------------------------------------------------------------

    def partition(self, endpoint: str) -> str:
        return f"{self.kind}/{endpoint.casefold()}"

    def endpoint_arm_id(self, endpoint: str) -> str:
        return self._scope.path(self.kind, endpoint)

    def deployment_arm_id(self, endpoint: str, deployment: str) -> str:
        return self._scope.path(self.kind, endpoint, "deployments", deployment)

    # -- reading ------------------------------------------------------------------------

    async def endpoint(self, name: str) -> Stored[E]:
        """Raises NotFound."""
        document = await self._find(name)
        if document is None:
            raise NotFound(f"{self._endpoint_noun(name)} was not found.")
        return Stored(from_document(self.endpoint_type, document), document.etag)

    async def endpoints(
        self, top: int, continuation: str | None
    ) -> tuple[list[Stored[E]], str | None]:
        page = await self._store.query(self.endpoint_kind, page_size=top, continuation=continuation)
        found = [Stored(from_document(self.endpoint_type, d), d.etag) for d in page.documents]
        return found, page.continuation

    async def deployment(self, endpoint: str, name: str) -> Stored[D]:
        """Raises NotFound, for the endpoint first."""
        document = await self._find(endpoint, name)
        if document is None:
            await self.endpoint(endpoint)
            raise NotFound(f"{self._deployment_noun(endpoint, name)} was not found.")
        return Stored(from_document(self.deployment_type, document), document.etag)

    async def deployments(
        self, endpoint: str, top: int, continuation: str | None = None
    ) -> tuple[list[Stored[D]], str | None]:
        """Raises NotFound for an endpoint that is not there."""
        await self.endpoint(endpoint)
        page = await self._store.query(
            self.deployment_kind,
            partition=self.partition(endpoint),
            page_size=top,
            continuation=continuation,
        )
        found = [Stored(from_document(self.deployment_type, d), d.etag) for d in page.documents]
        return found, page.continuation

    async def _find(self, endpoint: str, deployment: str | None = None) -> Document | None:
        """The document of an endpoint, or of a deployment; None too for what is no name."""
        id = ENDPOINT_ID if deployment is None else deployment_id(deployment)
        given = [endpoint] if deployment is None else [endpoint, deployment]
        if any(names.endpoint_name_fault(name) for name in given):
            return None
        return await self._get(self.partition(endpoint), id)

    async def _get(self, partition: str, id: str) -> Document | None:
        try:
            return await self._store.get(partition, id)
        except DocumentNotFound:
            return None

    def _endpoint_noun(self, name: str) -> str:
        return f"{'Online' if self.kind == 'onlineEndpoints' else 'Batch'} endpoint '{name[:64]}'"

    def _deployment_noun(self, endpoint: str, name: str) -> str:
        return f"Deployment '{name[:64]}' of {self._endpoint_noun(endpoint).casefold()}"
