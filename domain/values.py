"""The base of every value, entity and message: frozen, strict, JSON both ways.

Python names are snake_case; the wire's camelCase is derived from them here and nowhere
else. Documents in the store use the Python names.

Documents and messages may be a newer process's (docs/adr/0019): what it says beyond the fields
that are known here is read over, and kept where the value that was read is written back.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """An immutable value. Unknown fields are refused, but for those of a stored body."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        protected_namespaces=(),
        # An answer has every field (handlers/wire.py), and its schema says so.
        json_schema_serialization_defaults_required=True,
    )

    def to_document(self) -> dict[str, Any]:
        """JSON-ready body for a store or a message, keyed by Python names, with the unknown
        fields of the body that this was read from, as far as they belong to what is left of it."""
        body = self.model_dump(mode="json")
        if self.model_extra is not None:
            _put_back(self, body)
        return body

    @classmethod
    def from_document(cls, body: Any) -> Self:
        """Inverse of `to_document`. Raises pydantic.ValidationError on a foreign body; a field
        that is not known is none."""
        try:
            return cls.model_validate(body)
        except ValidationError:
            # Most bodies have no such field, and those cost nothing more.
            value = cls.model_validate(body, extra="allow")
        for each in _within(value):
            # Not to differ from an equal value for having been read with another.
            if not each.model_extra and each is not value:
                _keep(each, None)
        return value

    def but(self, **changes: Any) -> Self:
        """A copy with `changes`, validated as a new value would be."""
        # Not dict(self): a field may be called `keys`, and dict() would call it.
        current = {name: getattr(self, name) for name in type(self).model_fields}
        changed = type(self).model_validate({**current, **changes})
        if self.model_extra is not None:
            _keep(changed, self.model_extra)
        return changed


V = TypeVar("V", bound=Value)

_LOOKS = 8
"""What can be left out may bring other faults to light."""


def unsaid(default: object) -> Any:
    """For the annotation of a field that came later: a body leaves it out while it has this
    default, so that v0.1.0, which refuses what it does not know, reads every other body still."""
    return Field(exclude_if=lambda value: bool(value == default))


def salvaged(model: type[V], body: Any) -> V | None:
    """What can be read of a body that has faults: without what they are about, as if that had not
    been given. None where it is needed."""
    for _ in range(_LOOKS):
        try:
            return model.model_validate(body)
        except ValidationError as error:
            left = body
            for fault in error.errors(include_url=False, include_context=False):
                left = _without(left, fault["loc"])
            if left == body:
                return None
            body = left
    return None


def _without(body: Any, place: Sequence[int | str]) -> Any:
    """A copy of `body` that lacks what stands at `place`, or as near to it as names lead."""
    if not place or not isinstance(body, dict) or place[0] not in body:
        return body
    name, *further = place
    inner = body[name]
    left = _without(inner, further)
    if left is not inner:
        return {**body, name: left}
    return {key: value for key, value in body.items() if key != name}


def _keep(value: Value, unknown: dict[str, Any] | None) -> None:
    object.__setattr__(value, "__pydantic_extra__", unknown)


def _inner(value: object) -> list[Any]:
    """What `value` consists of, in the order in which its JSON has it."""
    if isinstance(value, Value):
        return [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _within(value: object) -> Iterator[Value]:
    """Every value in `value`, itself included."""
    if isinstance(value, Value):
        yield value
    for each in _inner(value):
        yield from _within(each)


def _put_back(value: object, body: Any) -> None:
    """Into `body`, the JSON of `value`, what was not known of the values in it."""
    if not isinstance(body, dict | list):
        return
    if isinstance(value, Value) and isinstance(body, dict):
        for name in type(value).model_fields:
            if name in body:  # what is unsaid is not
                _put_back(getattr(value, name), body[name])
        body.update(value.model_extra or {})
        return
    shown = list(body.values()) if isinstance(body, dict) else body
    for each, text in zip(_inner(value), shown, strict=False):
        _put_back(each, text)
