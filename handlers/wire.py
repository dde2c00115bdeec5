"""JSON of the wire to values of the domain and back.

Bodies are read the way ARM reads them: field names in any case, read-only fields of an
earlier answer let through and dropped, every fault reported at once with its target. What
ARM does not do: an unknown field is refused, with the name it was probably meant to be.
"""

import difflib
import json
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from azurefunctions.extensions.http.fastapi import Request
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from domain.errors import MAX_FAULTS, Detail, Invalid, TooLarge, refusal
from domain.ground.resource import Identity, Wanted
from domain.values import Value, salvaged

MAX_BODY = 1024 * 1024
"""Bytes of a control-plane body, as many as a document may have; models and data go to the
blob store instead."""

MAX_DEPTH = 64
"""Objects and lists within each other in a control-plane body."""

_NESTS = (dict, list)

V = TypeVar("V", bound=Value)


@dataclass(frozen=True)
class OtherFields:
    """Fields that ARM knows and a caller does not give. Answers carry those that are
    `read_only`, and requests may repeat them without effect. `refused` are, with the reason,
    those that would mislead if they were ignored; they may be null or empty."""

    read_only: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


ArmFields = Mapping[type[Value], OtherFields]
"""Of each value in a body."""

_EVERYWHERE: ArmFields = {
    Wanted: OtherFields(("id", "name", "type", "etag", "systemData", "managedBy")),
    Identity: OtherFields(("principalId", "tenantId")),
}
_NONE: ArmFields = {}


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


async def read(
    request: Request, model: type[V], fields: ArmFields = _NONE, *, may_lack: bool = False
) -> V:
    """The body as a `model`; with `may_lack`, no body at all is an empty object."""
    return parse(model, await read_json(request, may_lack=may_lack), fields)


def parse(model: type[V], body: Any, fields: ArmFields = _NONE) -> V:
    """`body` as a `model`, in which `fields` are met beside the model's own. Raises Invalid with
    every fault in `details`."""
    return whole(parsed(model, body, fields))


@dataclass(frozen=True)
class Faulty(Generic[V]):
    """A body with `faults`. `rest` is what it is otherwise, as far as that can be known, and
    `meant` are the targets that the faults are about."""

    faults: Sequence[Detail]
    rest: V | None
    meant: frozenset[str]

    def refusal(self, others: Iterable[Detail] = ()) -> Invalid:
        """With those of `others`, faults of the rest, that are not about what these are about: of
        that the rest says nothing."""
        apart = [each for each in others if not self._is_meant(each.target or "")]
        return refusal([*self.faults, *apart])

    def _is_meant(self, target: str) -> bool:
        return any(target == each or target.startswith(f"{each}.") for each in self.meant)


def parsed(model: type[V], body: Any, fields: ArmFields = _NONE) -> V | Faulty[V]:
    """As `parse`, for whoever has faults of another kind to tell besides."""
    reading = _Reading({**_EVERYWHERE, **fields})
    normal = reading.normalised(model, body, "")
    faults, meant = reading.faults, set(reading.meant)
    try:
        value = model.model_validate(normal)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        faults += [Detail("InvalidField", _sentence(e), _target(e["loc"]) or None) for e in found]
        meant |= {_target(e["loc"]) for e in found}
        return Faulty(faults, salvaged(model, normal), frozenset(meant))
    return Faulty(faults, value, frozenset(meant)) if faults else value


def whole(read: V | Faulty[V]) -> V:
    """Raises Invalid with every fault in `details`."""
    if isinstance(read, Faulty):
        raise read.refusal()
    return read


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


class _Reading:
    """Of one body, whose faults are gathered. `meant` are the targets of the fields that unknown
    ones were probably meant to be."""

    def __init__(self, fields: ArmFields) -> None:
        self._fields = fields
        self.faults: list[Detail] = []
        self.meant: set[str] = set()

    def normalised(self, model: type[Value], body: Any, path: str) -> Any:
        """`body` with field names spelled as `model` spells them, without read-only ones."""
        if not isinstance(body, dict):
            return body
        other = self._fields.get(_origin(model), OtherFields())
        own = model.model_fields.items()
        fields = {(f.alias or n).casefold(): (f.alias or n, f) for n, f in own}
        read_only = {name.casefold() for name in other.read_only}
        refused = {name.casefold(): why for name, why in other.refused.items()}
        normal: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in body.items():
            target = f"{path}{key}"
            folded = key.casefold()
            if folded in read_only:
                continue
            if folded in fields:
                alias, field = fields[folded]
                if alias in seen:
                    message = f"'{alias}' is given twice."
                    self.faults.append(Detail("DuplicateField", message, target))
                seen.add(alias)
                if value is None and not field.is_required() and field.default is not None:
                    continue
                normal[alias] = self._inner(field.annotation, value, f"{path}{alias}.")
            elif folded in refused:
                if value not in (None, {}, [], "", False):
                    self.faults.append(Detail("NotSupported", refused[folded], target))
            elif len(self.faults) < MAX_FAULTS:
                known = [alias for alias, _ in fields.values()]
                close = difflib.get_close_matches(key[:80], known, n=1, cutoff=0.6)
                self.meant.update(f"{path}{alias}" for alias in close)
                message = f"There is no field '{key[:80]}' here. {_hint(close, known)}"
                self.faults.append(Detail("UnknownField", message, target[:200]))
        return normal

    def _inner(self, annotation: Any, value: Any, path: str) -> Any:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._inner(arguments[0], value, path)
        if origin in (Union, types.UnionType):
            for option in arguments:
                value = self._inner(option, value, path)
            return value
        if origin is dict and isinstance(value, dict):
            return {k: self._inner(arguments[1], v, f"{path}{k}.") for k, v in value.items()}
        if origin in (list, tuple) and isinstance(value, list):
            return [self._inner(arguments[0], v, f"{path}{i}.") for i, v in enumerate(value)]
        if isinstance(annotation, type) and issubclass(annotation, Value):
            return self.normalised(annotation, value, path)
        if isinstance(annotation, type) and issubclass(annotation, StrEnum):
            return _member(annotation, value)
        return value


def _member(kind: type[StrEnum], value: Any) -> Any:
    """The value as its member is spelled: Azure's clients write `disabled` for `Disabled`."""
    if not isinstance(value, str):
        return value
    spelled = {each.value.casefold(): each.value for each in kind}
    return spelled.get(value.casefold(), value)


def _hint(close: list[str], known: list[str]) -> str:
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(known))}."


def _origin(model: type[Value]) -> type[Value]:
    """`Wanted[X]` is met as Wanted is."""
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
    """camelCase JSON; durations are ISO 8601, times RFC 3339. What a stored body leaves out while
    it has its default is shown."""
    shown = value.model_dump(mode="json", by_alias=True)
    for name, known in type(value).model_fields.items():
        if known.exclude_if is not None:
            shown.setdefault(known.alias or name, getattr(value, name))
    return shown
