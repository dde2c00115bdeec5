"""JSON of the wire to values of the domain and back.

Bodies are read the way ARM reads them: field names in any case, read-only fields of an
earlier answer let through and dropped, every fault reported at once with its target. What
ARM does not do: an unknown field is refused, with the name it was probably meant to be.
"""

import difflib
import json
import math
import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from azurefunctions.extensions.http.fastapi import Request
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from domain.errors import MAX_FAULTS, Detail, Invalid, TooLarge, refuse
from domain.ground.resource import Identity, Wanted
from domain.values import Value

MAX_BODY = 1024 * 1024
"""Bytes of a control-plane body, as many as a document may have; models and data go to the
blob store instead."""

MAX_DEPTH = 64
"""Objects and lists within each other in a control-plane body."""

_NESTS = (dict, list)

V = TypeVar("V", bound=Value)

ArmBody = Wanted

READ_ONLY: dict[type[Value], frozenset[str]] = {
    ArmBody: frozenset({"id", "name", "type", "etag", "systemData", "managedBy"}),
    Identity: frozenset({"principalId", "tenantId"}),
}
"""Fields that answers carry and requests may repeat without effect."""

REFUSED: dict[type[Value], dict[str, str]] = {}
"""Fields that ARM knows and that would mislead if they were ignored, with the reason. They
may be null or empty."""


def register(
    model: type[Value], *, read_only: tuple[str, ...] = (), refused: Mapping[str, str] | None = None
) -> None:
    """Tell how `model`'s further ARM fields are met."""
    READ_ONLY[model] = READ_ONLY.get(model, frozenset()) | frozenset(read_only)
    REFUSED.setdefault(model, {}).update(refused or {})


async def read_json(request: Request, *, limit: int = MAX_BODY, may_lack: bool = False) -> Any:
    """The request's body as JSON. Raises TooLarge, or Invalid saying where it breaks."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise _too_large(limit)
    if not body and may_lack:
        return {}
    if not body:
        raise _not_readable("The request needs a JSON body.")
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _not_readable(f"The body is not valid JSON: {error}.") from None
    _check_depth(value)
    if b"\\u" in body:
        _check_text(value)
    return value


def _not_readable(message: str) -> Invalid:
    return Invalid(message, code="InvalidRequestContent")


def _too_deep() -> Invalid:
    return _not_readable(f"The body nests more than {MAX_DEPTH} levels deep.")


def _check_depth(value: Any) -> None:
    """A value that is not too deep can be walked, merged and written without a second
    thought; recursion here would be the very thing to guard against."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, _NESTS)]
        if not inner:
            return
        level = [v for values in inner for v in values if isinstance(v, _NESTS)]
    raise _too_deep()


def _check_text(value: Any) -> None:
    """Half a surrogate pair is JSON, but no text: it could not be written down again."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _not_readable("The body has half of a surrogate pair in its text.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


async def read(request: Request, model: type[V], *, may_lack: bool = False) -> V:
    """The body as a `model`; with `may_lack`, no body at all is an empty object."""
    return parse(model, await read_json(request, may_lack=may_lack))


def parse(model: type[V], body: Any) -> V:
    """`body` as a `model`. Raises Invalid with every fault in `details`."""
    faults: list[Detail] = []
    normal = _normalised(model, body, "", faults)
    try:
        value = model.model_validate(normal)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        faults += [Detail("InvalidField", _sentence(e), _target(e["loc"]) or None) for e in found]
    refuse(faults)
    return value


def _sentence(error: Any) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "missing":
        return "This field is required."
    if error["type"] == "model_type":
        return "This must be a JSON object." if error["loc"] else "The body must be a JSON object."
    if error["type"] == "time_delta_parsing":
        text = "A duration is ISO 8601, such as PT30S, or a number of seconds"
    if isinstance(given, str | int | float | bool):
        return f"{text}; given: {str(given)[:80]!r}."
    return f"{text}."


def _target(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "[key]")


def _normalised(model: type[Value], body: Any, path: str, faults: list[Detail]) -> Any:
    """`body` with field names spelled as `model` spells them, without read-only ones."""
    if not isinstance(body, dict):
        return body
    base = _origin(model)
    fields = {(f.alias or n).casefold(): (f.alias or n, f) for n, f in model.model_fields.items()}
    read_only = {name.casefold() for name in READ_ONLY.get(base, ())}
    refused = {name.casefold(): why for name, why in REFUSED.get(base, {}).items()}
    normal: dict[str, Any] = {}
    seen: set[str] = set()
    for key, value in body.items():
        target = f"{path}{key}"
        folded = key.casefold()
        if folded in fields:
            alias, field = fields[folded]
            if alias in seen:
                faults.append(Detail("DuplicateField", f"'{alias}' is given twice.", target))
            seen.add(alias)
            if value is None and not field.is_required() and field.default is not None:
                continue
            normal[alias] = _inner(field.annotation, value, f"{path}{alias}.", faults)
        elif folded in refused:
            if value not in (None, {}, [], "", False):
                faults.append(Detail("NotSupported", refused[folded], target))
        elif folded not in read_only and len(faults) < MAX_FAULTS:
            known = [alias for alias, _ in fields.values()]
            close = difflib.get_close_matches(key[:80], known, n=1, cutoff=0.6)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(known))}."
            told = f"There is no field '{key[:80]}' here. {hint}"
            faults.append(Detail("UnknownField", told, target[:200]))
    return normal


def _inner(annotation: Any, value: Any, path: str, faults: list[Detail]) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _inner(arguments[0], value, path, faults)
    if origin in (Union, types.UnionType):
        for option in arguments:
            value = _inner(option, value, path, faults)
        return value
    if origin is dict and isinstance(value, dict):
        return {k: _inner(arguments[1], v, f"{path}{k}.", faults) for k, v in value.items()}
    if origin in (list, tuple) and isinstance(value, list):
        return [_inner(arguments[0], v, f"{path}{i}.", faults) for i, v in enumerate(value)]
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return _normalised(annotation, value, path, faults)
    return value


def _origin(model: type[Value]) -> type[Value]:
    """`ArmBody[X]` is met as ArmBody is."""
    origin = model.__pydantic_generic_metadata__["origin"]
    return origin if origin is not None and issubclass(origin, Value) else model


def merge_patch(current: Any, patch: Any, model: type[Value] | None = None) -> Any:
    """RFC 7396: what `current` becomes; null removes. The names of `model`'s fields may be
    spelled in any case; keys of maps may not."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    fields = {(f.alias or n).casefold(): (f.alias or n, f) for n, f in _fields(model)}
    for given, value in patch.items():
        key, field = fields.get(given.casefold(), (given, None))
        if value is None:
            merged.pop(key, None)
        else:
            inner = _model_in(field.annotation) if field else None
            merged[key] = merge_patch(merged.get(key), value, inner)
    return merged


def _fields(model: type[Value] | None) -> list[tuple[str, FieldInfo]]:
    return list(model.model_fields.items()) if model else []


def _model_in(annotation: Any) -> type[Value] | None:
    """The Value in `X`, `X | None` and `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _model_in(arguments[0])
    if origin in (Union, types.UnionType):
        return next((found for a in arguments if (found := _model_in(a))), None)
    return None


def to_wire(value: Value) -> dict[str, Any]:
    """camelCase JSON; durations are ISO 8601, times RFC 3339."""
    return value.model_dump(mode="json", by_alias=True)
