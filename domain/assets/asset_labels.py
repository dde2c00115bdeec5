"""Labels: names for versions that move from one to another, as `latest` does by itself."""

from domain.assets.asset import AnyContainer, AssetKind, Saved
from domain.assets.asset_documents import (
    TRIES,
    AssetDocuments,
    container_write,
    entity,
    noun,
    raced,
    saved,
)
from domain.errors import DocumentNotFound, Invalid, NotFound, StaleETag
from domain.ground.resource import Conditions
from domain.names import LATEST, asset_name_fault
from domain.ports import Clock

MOST = 100
"""Of one name."""


class AssetLabels:
    """Each label of a name is on one version at most. What was made of a label stays with the
    version that had it then."""

    def __init__(self, documents: AssetDocuments, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def all(self, kind: AssetKind, name: str) -> Saved[AnyContainer]:
        """The container that has them. Raises NotFound."""
        document = await self._documents.container(kind, name)
        if document is None:
            raise NotFound(f"{noun(kind, name)} was not found.")
        return saved(kind.container, document)

    async def version(self, kind: AssetKind, name: str, label: str) -> str:
        """That has the label. Raises NotFound."""
        return version_of(kind, (await self.all(kind, name)).asset, label)

    async def put(
        self,
        kind: AssetKind,
        name: str,
        label: str,
        version: str,
        caller: str,
        conditions: Conditions,
    ) -> Saved[AnyContainer]:
        """Give the label to a version, and take it from the one that had it. Raises Invalid for
        what may be no label, and NotFound where there is no such version."""
        _check(label)
        for _ in range(TRIES):
            # First this: whoever deletes the version writes the container with it.
            document = await self._documents.container(kind, name)
            found = await self._documents.version(kind, name, version)
            conditions.check(document, noun(kind, name))
            if document is None or found is None:
                raise NotFound(f"{noun(kind, name, version)} was not found.", target="version")
            meant = entity(kind.version, found).version
            old: AnyContainer = entity(kind.container, document)
            new = label.casefold() not in old.labels
            if not new and old.labels[label.casefold()] == meant:
                return saved(kind.container, document)
            if new and len(old.labels) >= MOST:
                raise Invalid(f"{noun(kind, name)} has {MOST} labels, which is as many as may be.")
            changed = old.but(
                labels={**old.labels, label.casefold(): meant},
                modified_at=self._clock.now(),
                modified_by=caller,
            )
            try:
                write = container_write(kind, changed, document)
                (written,) = await self._documents.write(kind, name, write)
            except (StaleETag, DocumentNotFound):
                continue
            return saved(kind.container, written, new=new)
        raise raced(noun(kind, name))

    async def delete(
        self, kind: AssetKind, name: str, label: str, caller: str, conditions: Conditions
    ) -> bool:
        """Take the label away; False where nothing has it."""
        _check(label)
        for _ in range(TRIES):
            document = await self._documents.container(kind, name)
            if document is None:
                return False
            conditions.check(document, noun(kind, name))
            old = entity(kind.container, document)
            left = {k: v for k, v in old.labels.items() if k != label.casefold()}
            if left == old.labels:
                return False
            changed = old.but(labels=left, modified_at=self._clock.now(), modified_by=caller)
            try:
                await self._documents.write(kind, name, container_write(kind, changed, document))
            except (StaleETag, DocumentNotFound):
                continue
            return True
        raise raced(noun(kind, name))


def labels_of(container: AnyContainer) -> dict[str, str]:
    """By label, which version has it; `latest` first, where there is one."""
    latest = {} if container.latest is None else {LATEST: container.latest}
    return {**latest, **dict(sorted(container.labels.items()))}


def version_of(kind: AssetKind, container: AnyContainer, label: str) -> str:
    """That has the label. Raises NotFound, with those that there are."""
    known = labels_of(container)
    found = known.get(label.casefold())
    if found is not None:
        return found
    what = noun(kind, container.name)
    if label.casefold() == LATEST:
        raise NotFound(f"{what} has no version that is not archived.")
    told = ", ".join(list(known)[:10]) or "none"
    raise NotFound(f"{what} has no label '{label[:80]}'; it has: {told}.")


def _check(label: str) -> None:
    if label.casefold() == LATEST:
        raise Invalid(
            "'latest' is the newest version by itself: give a label of your own, such as "
            "'champion', or archive the versions that it is not to be.",
            target="label",
        )
    if fault := asset_name_fault(label):
        raise Invalid(fault, code="InvalidName", target="label")
