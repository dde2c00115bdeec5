"""Which deployments stand on an asset or a compute."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from domain.errors import Conflict
from domain.names import WorkspaceScope
from domain.ports import ResourceStore

InUse = Callable[[str, str, str | None], Awaitable[Sequence[str]]]
"""Of a collection (`models`, ..., `computes`), a name and a version (None: any): the
deployments that use it, as `endpoint/deployment`."""

_SHOWN = 10


async def check_unused(in_use: InUse, collection: str, name: str, version: str | None) -> None:
    """Raises Conflict, naming the deployments."""
    users = await in_use(collection, name, version)
    if users:
        what = name if version is None else f"{name}:{version}"
        raise Conflict(
            f"'{what}' under {collection} is used by {', '.join(users)}, which could not be "
            "started again without it. Delete or change these deployments first.",
            code="AssetInUse",
        )


class AssetUse:
    """Reads every deployment, of all the store's `kinds` of them: asked only before something
    is deleted."""

    def __init__(self, store: ResourceStore, scope: WorkspaceScope, kinds: Sequence[str]) -> None:
        self._store = store
        self._scope = scope
        self._kinds = kinds

    async def of(self, collection: str, name: str, version: str | None) -> Sequence[str]:
        """At most ten of them."""
        users: list[str] = []
        for kind in self._kinds:
            continuation: str | None = None
            while True:
                page = await self._store.query(kind, page_size=200, continuation=continuation)
                for document in page.documents:
                    resource = document.body["resource"]
                    if self._names(resource["properties"], collection, name, version):
                        users.append(f"{resource['endpoint']}/{resource['name']}")
                        if len(users) == _SHOWN:
                            return users
                continuation = page.continuation
                if continuation is None:
                    break
        return users

    def _names(self, properties: Any, collection: str, name: str, version: str | None) -> bool:
        arm_id = self._scope.path(collection, name).casefold()
        if collection == "computes":
            compute = str(properties.get("compute") or "").casefold()
            return compute.removeprefix("azureml:") in (arm_id, name.casefold())
        if version is None:
            beginning = f"{arm_id}/versions/"
            return any(text.casefold().startswith(beginning) for text in _texts(properties))
        whole = f"{arm_id}/versions/{version.casefold()}"
        return any(text.casefold() == whole for text in _texts(properties))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
