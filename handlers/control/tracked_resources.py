"""Create, read, change, list and delete: one set of functions for each kind of tracked
resource (endpoints and deployments, online and batch)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Detail
from domain.ground.resource import Accepted, Conditions, Stored, TrackedResource, Wanted
from domain.values import Value
from handlers import wire
from handlers.control.merging import merged, wanted_of
from handlers.http import Routes, caller, conditions, json_response, paging

PROGRESS = "AzureAsyncOperationUri"
"""Among the properties that SDKs show: where the running operation can be asked about."""

R = TypeVar("R", bound=TrackedResource)
Names = tuple[str, ...]


@dataclass(frozen=True)
class Collection(Generic[R]):
    """One kind of resource at one path. `parameters` are the names in `item_path`, in the
    order in which the activity's methods take them. `faults` are those that `put` would refuse."""

    noun: str
    title: str
    path: str
    item_path: str
    parameters: tuple[str, ...]
    actions: str
    body: type[Wanted[Any]]
    answer: type[Value]
    fields: wire.ArmFields
    get: Callable[..., Awaitable[Stored[R]]]
    list: Callable[..., Awaitable[tuple[list[Stored[R]], str | None]]]
    put: Callable[..., Awaitable[Accepted[R]]]
    faults: Callable[..., Awaitable[Sequence[Detail]]]
    delete: Callable[..., Awaitable[Accepted[R] | None]]
    render: Callable[[R], dict[str, Any]]

    def names(self, request: Request) -> Names:
        return tuple(request.path_params[name] for name in self.parameters)

    def owners(self, request: Request) -> Names:
        """The names in the path of the collection itself."""
        return tuple(request.path_params[name] for name in self.parameters[:-1])

    async def whole(
        self, request: Request, read: Wanted[Any] | wire.Faulty[Wanted[Any]]
    ) -> Wanted[Any]:
        """Raises Invalid with every fault: those of the body's rest are told with its own."""
        if not isinstance(read, wire.Faulty):
            return read
        others: Sequence[Detail] = ()
        if read.rest is not None:
            others = await self.faults(*self.names(request), read.rest, caller(request))
        raise read.refusal(others)


def add(routes: Routes, blueprint: func.Blueprint, collection: Collection[R]) -> None:
    """Register the five functions of `collection`."""
    _add_changes(routes, blueprint, collection)
    _add_reading(routes, blueprint, collection)


def _add_changes(routes: Routes, blueprint: func.Blueprint, collection: Collection[R]) -> None:
    noun, title, actions = collection.noun, collection.title, collection.actions
    item, body = collection.item_path, collection.body

    @routes.arm(
        blueprint,
        "PUT",
        item,
        name=f"put_{noun}",
        action=f"{actions}/write",
        summary=f"Create or replace {title}",
        body=body,
        answer=collection.answer,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        read = wire.parsed(body, await wire.read_json(req), collection.fields)
        wanted = _without_progress(await collection.whole(req, read))
        accepted = await collection.put(
            *collection.names(req), wanted, caller(req), conditions(req)
        )
        return _created(routes, collection, accepted)

    @routes.arm(
        blueprint,
        "PATCH",
        item,
        name=f"patch_{noun}",
        action=f"{actions}/write",
        summary=f"Change {title} by JSON merge patch",
        body=body,
        answer=collection.answer,
        statuses=(202,),
    )
    async def patch(req: Request) -> Response:
        async def read() -> tuple[Wanted[Any], str]:
            stored = await collection.get(*collection.names(req))
            return wanted_of(body, stored.resource), stored.etag

        async def replace(wanted: Wanted[Any], when: Conditions) -> Accepted[R]:
            wanted, names = _without_progress(wanted), collection.names(req)
            return await collection.put(*names, wanted, caller(req), when)

        whole = partial(collection.whole, req)
        accepted = await merged(req, body, collection.fields, read, replace, whole)
        resource = collection.render(accepted.resource)
        return routes.accepted(accepted.operation, resource, accepted.etag)

    @routes.arm(
        blueprint,
        "DELETE",
        item,
        name=f"delete_{noun}",
        action=f"{actions}/delete",
        summary=f"Delete {title}",
        statuses=(202, 204),
    )
    async def delete(req: Request) -> Response:
        accepted = await collection.delete(*collection.names(req), caller(req).id, conditions(req))
        return routes.accepted(accepted.operation) if accepted else Response(status_code=204)


def _add_reading(routes: Routes, blueprint: func.Blueprint, collection: Collection[R]) -> None:
    noun, title, actions = collection.noun, collection.title, collection.actions

    @routes.arm(
        blueprint,
        "GET",
        collection.item_path,
        name=f"get_{noun}",
        action=f"{actions}/read",
        summary=f"Read {title}",
        answer=collection.answer,
    )
    async def get(req: Request) -> Response:
        stored = await collection.get(*collection.names(req))
        return json_response(collection.render(stored.resource), headers={"ETag": stored.etag})

    @routes.arm(
        blueprint,
        "GET",
        collection.path,
        name=f"list_{noun}s",
        action=f"{actions}/read",
        summary=f"List: {title}",
        lists=True,
        answer=collection.answer,
    )
    async def list_(req: Request) -> Response:
        page = paging(req)
        found, continuation = await collection.list(
            *collection.owners(req), page.top, page.continuation
        )
        return routes.page(req, [collection.render(s.resource) for s in found], continuation)


def _without_progress(wanted: Wanted[Any]) -> Wanted[Any]:
    """`wanted` without what answers add to the user's own properties: who reads a resource,
    changes it and puts it back sends that too."""
    properties = wanted.properties
    if PROGRESS not in properties.properties:
        return wanted
    own = {key: value for key, value in properties.properties.items() if key != PROGRESS}
    return wanted.but(properties=properties.but(properties=own))


def _created(routes: Routes, collection: Collection[R], accepted: Accepted[R]) -> Response:
    resource = collection.render(accepted.resource)
    return routes.created(resource, accepted.etag, accepted.operation, new=accepted.new)
