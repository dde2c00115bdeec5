"""PATCH: merge into what is there, and put the whole."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from azurefunctions.extensions.http.fastapi import Request

from domain.errors import Conflict, Invalid, PreconditionFailed
from domain.ground.resource import Conditions, TrackedResource, Wanted
from domain.values import Value
from handlers import wire
from handlers.http import conditions

B = TypeVar("B", bound=Value)
S = TypeVar("S")

_LOOKS = 3


def wanted_of(body: type[Wanted[Any]], resource: TrackedResource) -> Wanted[Any]:
    """The body that asks for `resource` as it stands, which changes are merged into."""
    return body(
        location=resource.location,
        tags=resource.tags,
        identity=resource.identity,
        kind=resource.kind,
        sku=resource.sku,
        properties=resource.properties,  # type: ignore[attr-defined]  # every subclass has them
    )


async def merged(
    request: Request,
    body: type[B],
    fields: wire.ArmFields,
    read: Callable[[], Awaitable[tuple[B, str]]],
    put: Callable[[B, Conditions], Awaitable[S]],
) -> S:
    """`read` gives the body as it stands and its ETag; `put` is given the merged one and the
    condition that nobody wrote in between. A caller that named no ETag of its own gets
    another look when somebody did. Raises Conflict when somebody always did."""
    changes = await wire.read_json(request)
    asked = conditions(request)
    if asked.must_be_new:
        raise Invalid(
            "PATCH changes what exists; If-None-Match is for PUT.", target="If-None-Match"
        )
    for _ in range(_LOOKS):
        current, etag = await read()
        wanted = wire.parse(body, wire.merge_patch(wire.to_wire(current), changes, body), fields)
        try:
            return await put(wanted, Conditions(if_match=asked.if_match or etag))
        except PreconditionFailed:
            if asked.if_match is not None:
                raise
    raise Conflict("This is being changed by other requests at the same moment. Try again.")
