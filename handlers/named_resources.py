"""Create, change, read, list and delete: one set of functions for each kind of resource that is
what was asked for when the answer is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.events.named_resources import NamedResources
from domain.resource import Conditions, Stored, TrackedResource, Wanted
from handlers import wire
from handlers.http import Routes, caller, conditions, json_response, paging
from handlers.merging import merged

R = TypeVar("R", bound=TrackedResource)


@dataclass(frozen=True)
class NamedCollection(Generic[R]):
    """One kind, at `path/{name}`. `render` may ask for more than the resource."""

    noun: str
    title: str
    path: str
    body: type[Wanted[Any]]
    resources: NamedResources[R]
    put: Callable[..., Awaitable[tuple[Stored[R], bool]]]
    delete: Callable[[str, Conditions], Awaitable[bool]]
    render: Callable[[R], Awaitable[dict[str, Any]]]


def add(routes: Routes, blueprint: func.Blueprint, collection: NamedCollection[R]) -> None:
    """Register the five functions of `collection`."""
    c, item = collection, f"{collection.path}/{{name}}"

    async def answer(stored: Stored[R], *, new: bool = False) -> Response:
        body = await c.render(stored.resource)
        return json_response(body, status=201 if new else 200, headers={"ETag": stored.etag})

    @routes.arm(
        blueprint,
        "PUT",
        item,
        name=f"put_{c.noun}",
        action=f"{c.path}/write",
        summary=f"Create or replace {c.title}",
        body=c.body,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        wanted = await wire.read(req, c.body)
        name = req.path_params["name"]
        stored, new = await c.put(name, wanted, caller(req).id, conditions(req))
        return await answer(stored, new=new)

    @routes.arm(
        blueprint,
        "PATCH",
        item,
        name=f"patch_{c.noun}",
        action=f"{c.path}/write",
        summary=f"Change {c.title} by JSON merge patch",
        body=c.body,
    )
    async def patch(req: Request) -> Response:
        name = req.path_params["name"]

        async def read() -> tuple[Wanted[Any], str]:
            found = await c.resources.get(name)
            return _wanted_of(c.body, found.resource), found.etag

        async def replace(wanted: Wanted[Any], when: Conditions) -> Stored[R]:
            stored, _ = await c.put(name, wanted, caller(req).id, when)
            return stored

        return await answer(await merged(req, c.body, read, replace))

    @routes.arm(
        blueprint,
        "GET",
        item,
        name=f"get_{c.noun}",
        action=f"{c.path}/read",
        summary=f"Read {c.title}",
    )
    async def get(req: Request) -> Response:
        return await answer(await c.resources.get(req.path_params["name"]))

    @routes.arm(
        blueprint,
        "GET",
        c.path,
        name=f"list_{c.noun}s",
        action=f"{c.path}/read",
        summary=f"List: {c.path}",
        lists=True,
    )
    async def list_all(req: Request) -> Response:
        asked = paging(req)
        found, more = await c.resources.list(asked.top, asked.continuation)
        return routes.page(req, [await c.render(each.resource) for each in found], more)

    @routes.arm(
        blueprint,
        "DELETE",
        item,
        name=f"delete_{c.noun}",
        action=f"{c.path}/delete",
        summary=f"Delete {c.title}",
        statuses=(200, 204),
    )
    async def delete(req: Request) -> Response:
        gone = await c.delete(req.path_params["name"], conditions(req))
        return Response(status_code=200 if gone else 204)


def _wanted_of(body: type[Wanted[Any]], resource: TrackedResource) -> Wanted[Any]:
    return body(
        location=resource.location,
        tags=resource.tags,
        identity=resource.identity,
        kind=resource.kind,
        sku=resource.sku,
        properties=resource.properties,  # type: ignore[attr-defined]  # every subclass has them
    )
