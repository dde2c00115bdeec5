"""Endpoints and their deployments as the store holds them: their ids, and reading them."""

from typing import Generic, final

from domain import names
from domain.errors import DocumentNotFound, NotFound
from domain.ground.resource import Stored
from domain.ports import Document, ResourceStore
from domain.provisioning.kind import D, E, KindTypes
from domain.provisioning.place import Place

_ALL = 1000
"""More than an endpoint may have."""


@final
class EndpointDocuments(Generic[E, D]):
    """One kind of endpoint."""

    def __init__(
        self, store: ResourceStore, scope: names.WorkspaceScope, types: KindTypes[E, D]
    ) -> None:
        self._store = store
        self._scope = scope
        self.types = types

    def arm_id(self, place: Place) -> str:
        kind = self.types.kind
        if place.deployment is None:
            return self._scope.path(kind, place.endpoint)
        return self._scope.path(kind, place.endpoint, "deployments", place.deployment)

    def noun(self, place: Place) -> str:
        """What messages call it."""
        endpoint = f"{self.types.noun} '{place.endpoint[:64]}'"
        if place.deployment is None:
            return endpoint
        return f"Deployment '{place.deployment[:64]}' of {endpoint.casefold()}"

    async def endpoint(self, name: str) -> Stored[E]:
        """Raises NotFound."""
        document = await self.found(Place(name))
        return Stored(self.types.endpoint(document), document.etag)

    async def endpoints(
        self, top: int, continuation: str | None
    ) -> tuple[list[Stored[E]], str | None]:
        page = await self._store.query(
            self.types.endpoint_kind, page_size=top, continuation=continuation
        )
        return [Stored(self.types.endpoint(d), d.etag) for d in page.documents], page.continuation

    async def deployment(self, endpoint: str, name: str) -> Stored[D]:
        """Raises NotFound, for the endpoint first."""
        place = Place(endpoint, name)
        document = await self.find(place)
        if document is None:
            await self.found(place.owner)
            raise NotFound(f"{self.noun(place)} was not found.")
        return Stored(self.types.deployment(document), document.etag)

    async def deployments(
        self, endpoint: str, top: int, continuation: str | None = None
    ) -> tuple[list[Stored[D]], str | None]:
        """Raises NotFound for an endpoint that is not there."""
        await self.found(Place(endpoint))
        return await self._deployments(endpoint, top, continuation)

    async def all_deployments(self, endpoint: str) -> list[Stored[D]]:
        """None where there is no such endpoint."""
        return (await self._deployments(endpoint, _ALL, None))[0]

    async def _deployments(
        self, endpoint: str, top: int, continuation: str | None
    ) -> tuple[list[Stored[D]], str | None]:
        page = await self._store.query(
            self.types.deployment_kind,
            partition=self.types.partition(endpoint),
            page_size=top,
            continuation=continuation,
        )
        return [Stored(self.types.deployment(d), d.etag) for d in page.documents], page.continuation

    async def find(self, place: Place) -> Document | None:
        """None too for what is no name."""
        given = [place.endpoint] if place.deployment is None else [place.endpoint, place.deployment]
        if any(names.endpoint_name_fault(name) for name in given):
            return None
        try:
            return await self.get(place)
        except DocumentNotFound:
            return None

    async def get(self, place: Place) -> Document:
        """Raises DocumentNotFound."""
        return await self._store.get(self.types.partition(place.endpoint), place.document_id)

    async def found(self, place: Place) -> Document:
        """Raises NotFound."""
        document = await self.find(place)
        if document is None:
            raise NotFound(f"{self.noun(place)} was not found.")
        return document
