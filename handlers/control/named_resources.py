"""Create, change, read, list and delete: one set of functions for each kind of resource that is
what was asked for when the answer is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.resource import Conditions, Stored, Wanted
from domain.ports import Principal
from handlers import wire
from handlers.control.merging import as_it_is, merged, wanted_of
from handlers.http import Routes, caller, conditions, json_response, paging

S = TypeVar("S", bound=Stored[Any])


def _allowed(principal: Principal, wanted: Wanted[Any]) -> None:
    pass


def _whole(request: Request) -> dict[str, Any]:
    return {}


async def _as_it_is(body: Any) -> Any:
    return body


@dataclass(frozen=True)
class NamedCollection(Generic[S]):
    """One kind, at `path/{name}`. `render` may ask for more than the resource; `check` raises
    Forbidden for what its caller may not ask for; `narrowing` gives what a request's query
    says to `list`, and `prepared` the body of a PUT as its fields have it."""

    noun: str
    title: str
    path: str
    body: type[Wanted[Any]]
    fields: wire.ArmFields
    get: Callable[[str], Awaitable[S]]
    list: Callable[..., Awaitable[tuple[list[S], str | None]]]
    put: Callable[..., Awaitable[tuple[S, bool]]]
    delete: Callable[[str, Conditions], Awaitable[bool]]
    render: Callable[[S], Awaitable[dict[str, Any]]]
    check: Callable[[Principal, Wanted[Any]], None] = _allowed
    narrowing: Callable[[Request], dict[str, Any]] = _whole
    prepared: Callable[[Any], Awaitable[Any]] = _as_it_is
    created: int = 201
    """What a PUT answers that has made one: Azure's clients take nothing else."""


def add(routes: Routes, blueprint: func.Blueprint, collection: NamedCollection[S]) -> None:
    """Register the five functions of `collection`."""
    _add_changes(routes, blueprint, collection)
    _add_reading(routes, blueprint, collection)


def _add_changes(routes: Routes, blueprint: func.Blueprint, collection: NamedCollection[S]) -> None:
    c, item = collection, f"{collection.path}/{{name}}"

    async def write(req: Request, wanted: Wanted[Any], when: Conditions) -> tuple[S, bool]:
        c.check(caller(req), wanted)
        return await c.put(req.path_params["name"], wanted, caller(req).id, when)

    @routes.arm(
        blueprint,
        "PUT",
        item,
        name=f"put_{c.noun}",
        action=f"{c.path}/write",
        summary=f"Create or replace {c.title}",
        body=c.body,
        statuses=tuple(sorted({200, c.created})),
    )
    async def put(req: Request) -> Response:
        body = await c.prepared(await wire.read_json(req))
        stored, new = await write(req, wire.parse(c.body, body, c.fields), conditions(req))
        return await _answer(c, stored, new=new)

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
        async def read() -> tuple[Wanted[Any], str]:
            found = await c.get(req.path_params["name"])
            return wanted_of(c.body, found.resource), found.etag

        stored, _ = await merged(
            req, c.body, c.fields, read, lambda wanted, when: write(req, wanted, when), as_it_is
        )
        return await _answer(c, stored)

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


def _add_reading(routes: Routes, blueprint: func.Blueprint, collection: NamedCollection[S]) -> None:
    c = collection

    @routes.arm(
        blueprint,
        "GET",
        f"{c.path}/{{name}}",
        name=f"get_{c.noun}",
        action=f"{c.path}/read",
        summary=f"Read {c.title}",
    )
    async def get(req: Request) -> Response:
        return await _answer(c, await c.get(req.path_params["name"]))

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
        found, more = await c.list(asked.top, asked.continuation, **c.narrowing(req))
        return routes.page(req, [await c.render(each) for each in found], more)


async def _answer(collection: NamedCollection[S], stored: S, *, new: bool = False) -> Response:
    body = await collection.render(stored)
    return json_response(
        body, status=collection.created if new else 200, headers={"ETag": stored.etag}
    )
