"""Who stands on an asset or a compute: deployments, jobs that have not ended, schedules and
mappings of events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.assets.datastore import locate
from domain.assets.releasing.asset_release import overlap
from domain.errors import Conflict, Invalid
from domain.names import WorkspaceScope
from domain.ports import BlobFolder, BlobStore, Json, ResourceStore, all_documents

InUse = Callable[[str, str, str | None], Awaitable[Sequence[str]]]
"""Of a collection (`models`, ..., `computes`), a name and a version (None: any): who uses it, as
`endpoint/deployment`, `job name` and the like."""

_SHOWN = 10


@dataclass(frozen=True)
class UserKind:
    """Documents of the store's `kind`, as far as a field is one of those in `where`, that may use
    assets by what their `body` says; `name` is what a user is told of one."""

    kind: str
    body: Callable[[Json], Json]
    name: Callable[[Json], str]
    where: Sequence[Mapping[str, str | int | bool]] = ({},)
    reads_files: bool = True
    """Whether it may read files by themselves: then these stay while it is there."""


async def check_unused(in_use: InUse, collection: str, name: str, version: str | None) -> None:
    """Raises Conflict, naming the users."""
    users = await in_use(collection, name, version)
    if users:
        what = name if version is None else f"{name}:{version}"
        raise Conflict(
            f"'{what}' under {collection} is used by {', '.join(users)}, which could not be "
            "started again without it. Delete or change these first.",
            code="AssetInUse",
        )


class AssetUse:
    """Reads everything that may be a user: asked only before something is deleted."""

    def __init__(
        self,
        store: ResourceStore,
        blobs: BlobStore,
        scope: WorkspaceScope,
        kinds: Sequence[UserKind],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._scope = scope
        self._kinds = kinds

    async def of(self, collection: str, name: str, version: str | None) -> Sequence[str]:
        """At most ten of them."""
        users: list[str] = []
        for kind in self._kinds:
            async for found in self._users(kind):
                if names(self._scope, kind.body(found), collection, name, version):
                    users.append(kind.name(found))
                    if len(users) == _SHOWN:
                        return users
        return users

    async def reads(self, place: BlobFolder) -> bool:
        """Whether somebody reads files there by themselves, whatever version they were of."""
        for kind in self._kinds:
            if not kind.reads_files:
                continue
            async for found in self._users(kind):
                if any(overlap(place, each) for each in self._places(kind.body(found))):
                    return True
        return False

    async def _users(self, kind: UserKind) -> AsyncIterator[Json]:
        for where in kind.where:
            async for document in all_documents(self._store, kind.kind, where=where):
                yield document.body

    def _places(self, body: Any) -> Iterator[BlobFolder]:
        """What the body points at in the blob store, as URI or as a place."""
        for text in _texts(body):
            try:
                yield locate(text, self._scope, self._blobs)
            except Invalid:
                continue
        for found in _objects(body):
            if isinstance(found.get("container"), str) and isinstance(found.get("path"), str):
                yield BlobFolder(found["container"], found["path"])


def names(
    scope: WorkspaceScope, properties: Any, collection: str, name: str, version: str | None
) -> bool:
    """Whether a body says, of a collection, that name and version (None: any)."""
    arm_id = scope.path(collection, name).casefold()
    if collection == "computes":
        compute = str(properties.get("compute") or "").casefold()
        return compute.removeprefix("azureml:") in (arm_id, name.casefold())
    short = f"azureml:{name.casefold()}:"
    texts = [text.casefold() for text in _texts(properties)]
    texts = [text.removeprefix("azureml:") if ":/" in text else text for text in texts]
    if version is None:
        beginnings = (f"{arm_id}/versions/", short)
        return any(text.startswith(beginnings) for text in texts)
    whole = (f"{arm_id}/versions/{version.casefold()}", f"{short}{version.casefold()}")
    return any(text in whole for text in texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _objects(inner)
