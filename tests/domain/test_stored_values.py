"""Every value there is may stand in a document, or in a message, of a newer process."""

import importlib
import pkgutil
import types
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import pytest
from pydantic import ValidationError

import domain
import infra
from domain.errors import Invalid
from domain.ground import messages
from domain.values import Value
from handlers import wire

for package in (domain, infra):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def below(model: type[Value]) -> Iterator[type[Value]]:
    for each in model.__subclasses__():
        yield each
        yield from below(each)


def is_base_of_fields(model: type[Value]) -> bool:
    """Whether it is there for others that say what its fields are."""
    own = {name: field.annotation for name, field in model.model_fields.items()}
    return any(
        each.model_fields[name].annotation != annotation
        for each in below(model)
        for name, annotation in own.items()
    )


VALUES = sorted(
    {
        v
        for v in below(Value)
        if v.__module__.partition(".")[0] in ("domain", "infra") and not is_base_of_fields(v)
    },
    key=lambda v: f"{v.__module__}.{v.__qualname__}",
)
MESSAGES = [v for v in VALUES if v.__module__ == messages.__name__]


def of_a_newer_process(annotation: Any, within: frozenset[type[Value]] = frozenset()) -> Any:
    """JSON for `annotation` in which each value has a field that nobody here knows, and no other
    fields than values; None where there is no value in it, but for those that it is `within`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return of_a_newer_process(arguments[0], within)
    if origin in (Union, types.UnionType):
        found = [f for f in (of_a_newer_process(a, within) for a in arguments) if f is not None]
        # Which of two an unknown field speaks for could not be told.
        assert len(found) < 2, f"{annotation} may be one value or another"
        return found[0] if found else None
    if origin is dict:
        inner = of_a_newer_process(arguments[1], within)
        return None if inner is None else {"1": inner}
    if origin in (tuple, list):
        inner = of_a_newer_process(arguments[0], within)
        return None if inner is None else [inner]
    if isinstance(annotation, TypeVar):
        return of_a_newer_process(annotation.__bound__, within)
    if isinstance(annotation, type) and issubclass(annotation, Value) and annotation not in within:
        return _of_value(annotation, within | {annotation})
    return None


def _of_value(model: type[Value], within: frozenset[type[Value]]) -> dict[str, Any]:
    fields = {n: of_a_newer_process(f.annotation, within) for n, f in model.model_fields.items()}
    known = {name: inner for name, inner in fields.items() if inner is not None}
    return {**known, "unheard_of": {"of": [1]}}


def unknown_in(body: Any) -> int:
    if isinstance(body, dict):
        return ("unheard_of" in body) + sum(unknown_in(v) for k, v in body.items() if k[0] != "u")
    return sum(map(unknown_in, body)) if isinstance(body, list) else 0


def refused(error: ValidationError) -> list[tuple[int | str, ...]]:
    return [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden"]


def faults_of(model: type[Value], body: Any) -> list[tuple[int | str, ...]]:
    """The unknown fields for which a stored body is refused, whatever it does not have besides."""
    try:
        model.from_document(body)
    except ValidationError as error:
        return refused(error)
    return []


def test_there_are_as_many_as_one_would_think() -> None:
    assert len(VALUES) > 80
    assert len(MESSAGES) > 8


@pytest.mark.parametrize("model", VALUES, ids=lambda v: v.__qualname__)
def test_unknown_fields_are_read_over_in_stores_and_queues_and_nowhere_else(
    model: type[Value],
) -> None:
    body = of_a_newer_process(model)
    with pytest.raises(ValidationError) as strict:
        model.model_validate(body)
    assert len(refused(strict.value)) == unknown_in(body)
    with pytest.raises(Invalid) as of_a_request:
        wire.parse(model, body)
    told = [d for d in of_a_request.value.details if d.code == "UnknownField"]
    assert told
    assert not faults_of(model, body)
