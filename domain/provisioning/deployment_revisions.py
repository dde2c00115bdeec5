"""What a deployment was wished to be, time after time: its last revisions, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, Self, final

from domain.errors import DocumentNotFound
from domain.ground.resource import StringMap, TrackedResource
from domain.ports import Create, Delete, Document, Json, Replace, ResourceStore, Write
from domain.provisioning.kind import D, KindTypes
from domain.values import Value

KIND: Final = "deploymentRevisions"
MOST: Final = 25
"""As many are kept of a deployment."""
_MOST_CHARACTERS: Final = 128 * 1024
"""Of all of them together: what is older than that goes, but never the newest."""


class DeploymentRevision(Value):
    """`number` is the generation that the wish made of the deployment. `asked` are the properties
    as the store has them; `since` and `by` say when and by whom it was wished for."""

    number: int
    since: datetime
    by: str
    instances: int | None = None
    tags: StringMap = {}
    asked: Json

    @classmethod
    def of(cls, deployment: TrackedResource) -> Self:
        asked: Value = deployment.properties  # type: ignore[attr-defined]  # all have
        return cls(
            number=deployment.generation,
            since=deployment.modified_at,
            by=deployment.modified_by,
            instances=deployment.sku.capacity if deployment.sku else None,
            tags=deployment.tags,
            asked=asked.to_document(),
        )

    def is_like(self, other: "DeploymentRevision") -> bool:
        """Whether they ask for the same."""
        return (self.asked, self.instances, self.tags) == (other.asked, other.instances, other.tags)


class DeploymentHistory(Value):
    """`made_at` tells a deployment from another of its name before it."""

    made_at: datetime
    revisions: tuple[DeploymentRevision, ...]

    def with_next(self, revision: DeploymentRevision) -> Self:
        """Shortened to what is kept."""
        kept, size = [revision], len(str(revision.asked))
        for each in self.revisions[: MOST - 1]:
            size += len(str(each.asked))
            if size > _MOST_CHARACTERS:
                break
            kept.append(each)
        return self.but(revisions=tuple(kept))

    def to_body(self) -> Json:
        return {"kind": KIND, "history": self.to_document()}


@final
class DeploymentRevisions(Generic[D]):
    """Of the deployments of one kind of endpoint."""

    def __init__(self, store: ResourceStore, types: KindTypes[Any, D]) -> None:
        self._store = store
        self._types = types

    async def of(self, deployment: D) -> Sequence[DeploymentRevision]:
        """Newest first. One that has not been changed since they are kept has one."""
        endpoint: str = deployment.endpoint  # type: ignore[attr-defined]  # all have
        history = _history(await self._document(endpoint, deployment.name), deployment)
        now = DeploymentRevision.of(deployment)
        return history.revisions if history.revisions else (now,)

    async def changed(self, old: D | None, new: D) -> list[Write]:
        """What is written together with a deployment that was put."""
        endpoint: str = new.endpoint  # type: ignore[attr-defined]  # all have
        document = await self._document(endpoint, new.name)
        history = _history(document, new)
        if old is not None and not history.revisions:
            history = history.with_next(DeploymentRevision.of(old))
        revision = DeploymentRevision.of(new)
        if history.revisions and history.revisions[0].is_like(revision):
            return []
        body = history.with_next(revision).to_body()
        id = _id(new.name)
        return [Replace(id, body, document.etag) if document else Create(id, body)]

    async def removed(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        """What is written together with the removal of deployments."""
        found = [await self._document(endpoint, name) for name in deployments]
        return [Delete(document.id, document.etag) for document in found if document]

    async def _document(self, endpoint: str, deployment: str) -> Document | None:
        try:
            return await self._store.get(self._types.partition(endpoint), _id(deployment))
        except DocumentNotFound:
            return None


def _id(deployment: str) -> str:
    return f"revisions:{deployment.casefold()}"


def _history(document: Document | None, deployment: TrackedResource) -> DeploymentHistory:
    """Empty for another deployment of the same name."""
    if document is not None:
        found = DeploymentHistory.from_document(document.body["history"])
        if found.made_at == deployment.created_at:
            return found
    return DeploymentHistory(made_at=deployment.created_at, revisions=())
