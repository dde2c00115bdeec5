"""What is asked of a registry's builds, held against Microsoft's types of it, which are taken to be
closed."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

TYPES: Final = (
    Path(__file__).resolve().parents[4]
    / "shared"
    / "schemas"
    / "bicep-types"
    / "containerregistry_1_microsoft.containerregistry_2019-04-01.json"
)
WITHOUT: Final = f"{TYPES} is not there"
_REQUIRED: Final = 1
_READ_ONLY: Final = 2
_PLAIN: Final = {"StringType": str, "IntegerType": int, "BooleanType": bool}


def is_there() -> bool:
    return TYPES.exists()


def faults(body: Mapping[str, Any]) -> list[str]:
    """Of what scheduleRun is given; none where the types are not there."""
    if not is_there():
        return []
    asked = next(
        each
        for each in _types()
        if each["$type"] == "ResourceFunctionType" and each["name"] == "scheduleRun"
    )
    return list(_faults(body, _of(asked["input"]), "body"))


@cache
def _types() -> list[Any]:
    found: list[Any] = json.loads(TYPES.read_text())
    return found


def _of(reference: Mapping[str, str]) -> Any:
    return _types()[int(reference["$ref"].removeprefix("#/"))]


def _faults(value: Any, type: Any, at: str) -> Iterator[str]:
    kind = type["$type"]
    if kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind == "IntegerType" and value is True):
            yield f"{at}: {value!r} is no {kind}"
    elif kind == "StringLiteralType":
        if value != type["value"]:
            yield f"{at}: {value!r} is not {type['value']!r}"
    elif kind == "UnionType":
        known = [_of(each).get("value") for each in type["elements"]]
        if value not in known:
            yield f"{at}: {value!r} is none of {known}"
    elif kind == "ArrayType":
        for number, each in enumerate(value if isinstance(value, list) else [value]):
            yield from _faults(each, _of(type["itemType"]), f"{at}[{number}]")
    elif kind == "DiscriminatedObjectType":
        chosen = type["elements"].get(value.get(type["discriminator"]))
        if chosen is None:
            yield f"{at}: it has no type that there is"
            return
        yield from _members(value, {**type["baseProperties"], **_of(chosen)["properties"]}, at)
    elif kind == "ObjectType":
        yield from _members(value, type.get("properties", {}), at)


def _members(value: Mapping[str, Any], known: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, about in known.items():
        if about["flags"] & _REQUIRED and name not in value:
            yield f"{at}.{name}: is missing"
    for name, each in value.items():
        if name not in known:
            yield f"{at}.{name}: is not known"
        elif known[name]["flags"] & _READ_ONLY:
            yield f"{at}.{name}: is read-only"
        else:
            yield from _faults(each, _of(known[name]["type"]), f"{at}.{name}")
