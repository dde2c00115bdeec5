"""PATCH: merge into what is there, and put the whole."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from azurefunctions.extensions.http.fastapi import Request

from domain.errors import Conflict, Detail, Invalid, PreconditionFailed
from domain.ground.resource import Conditions, TrackedResource, Wanted
from domain.values import Value
from handlers import wire
from handlers.http import conditions

B = TypeVar("B", bound=Value)
S = TypeVar("S")

_LOOKS = 3
_MOST = 300


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
    whole: Callable[[B | wire.Faulty[B]], Awaitable[B]],
) -> S:
    """`read` gives the body as it stands and its ETag; `put` is given the merged one, which has
    passed `whole`, and the condition that nobody wrote in between. A caller that named no ETag of
    its own gets another look when somebody did. Raises Conflict when somebody always did, and
    Invalid, which says what was merged."""
    changes = await wire.read_json(request)
    asked = conditions(request)
    if asked.must_be_new:
        raise Invalid(
            "PATCH changes what exists; If-None-Match is for PUT.", target="If-None-Match"
        )
    for _ in range(_LOOKS):
        current, etag = await read()
        before = wire.to_wire(current)
        both = wire.parsed(body, wire.merge_patch(before, changes, body), fields)
        try:
            return await put(await whole(both), Conditions(if_match=asked.if_match or etag))
        except Invalid as refusal:
            raise _told(refusal, before, changes) from None
        except PreconditionFailed:
            if asked.if_match is not None:
                raise
    raise Conflict("This is being changed by other requests at the same moment. Try again.")


async def as_it_is(both: B | wire.Faulty[B]) -> B:
    """For what is refused for nothing but how it reads, or by `put` itself."""
    return wire.whole(both)


def _told(refusal: Invalid, before: Any, changes: Any) -> Invalid:
    """With what was merged, where a fault is of something that the request changed in part."""
    details = [_detail(each, before, changes) for each in refusal.details]
    if details == [*refusal.details]:
        return refusal
    message = refusal.message
    for old, new in zip(refusal.details, details, strict=True):
        message = message.replace(old.message, new.message)
    return Invalid(message, code=refusal.code, target=refusal.target, details=details)


def _detail(fault: Detail, before: Any, changes: Any) -> Detail:
    there, given = _at(before, fault.target), _at(changes, fault.target)
    if not isinstance(there, dict) or not isinstance(given, dict) or not set(there) - set(given):
        return fault
    both = wire.merge_patch(there, given)
    return replace(
        fault,
        message=f"{fault.message} PATCH merges: there was {_listed(there)}, and {_listed(given)} "
        f"came to it, which makes {_listed(both)}. Say what becomes of the others, too; null "
        "removes one.",
    )


def _at(body: Any, target: str | None) -> Any:
    for name in (target or "").split("."):
        if not isinstance(body, dict):
            return None
        body = next((v for key, v in body.items() if key.casefold() == name.casefold()), None)
    return body


def _listed(values: dict[str, Any]) -> str:
    text = ", ".join(f"{name} {json.dumps(value)}" for name, value in values.items())
    return text[:_MOST] or "nothing"
