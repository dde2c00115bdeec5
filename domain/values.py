"""The base of every value, entity and message: frozen, strict, JSON both ways.

Python names are snake_case; the wire's camelCase is derived from them here and nowhere
else. Documents in the store use the Python names.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """An immutable value. Unknown fields are refused, never dropped."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        protected_namespaces=(),
    )

    def to_document(self) -> dict[str, Any]:
        """JSON-ready body for a store or a message, keyed by Python names."""
        return self.model_dump(mode="json")

    @classmethod
    def from_document(cls, body: Any) -> Self:
        """Inverse of `to_document`. Raises pydantic.ValidationError on a foreign body."""
        return cls.model_validate(body)

    def but(self, **changes: Any) -> Self:
        """A copy with `changes`, validated as a new value would be."""
        # Not dict(self): a field may be called `keys`, and dict() would call it.
        current = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**current, **changes})
