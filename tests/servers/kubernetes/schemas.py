"""What objects may look like: the schemas of a real release, closed, as PyPI's kubernetes-validate
has them."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

RELEASE: Final = "v1.37.0"
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}

Schema = Mapping[str, Any]


class SchemasMissing(Exception):
    """Says what is not there."""


@cache
def definitions() -> Mapping[str, Schema]:
    found = find_spec("kubernetes_validate")  # not imported: it is its data that is wanted
    if found is None or found.origin is None:
        raise SchemasMissing("there is no kubernetes-validate (make sync)")
    folder = Path(found.origin).parent / "kubernetes-json-schema" / f"{RELEASE}-local-strict"
    told: Mapping[str, Schema] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return told


def resolved(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    return definitions()[reference.rpartition("/")[2]] if reference else schema


def of_field(schema: Schema, name: str) -> Schema | None:
    """None where there is no such field."""
    found = (schema.get("properties") or {}).get(name)
    if found is None:
        more = schema.get("additionalProperties")
        return resolved(more) if isinstance(more, dict) else ({} if not schema else None)
    # What stands beside a reference is said of the field, such as how a map is to be merged.
    return {**resolved(found), **{k: v for k, v in found.items() if k != "$ref"}}


def faults(value: Any, schema: Schema, at: str = "") -> Iterator[str]:
    """Every one, as an API server words them."""
    schema = resolved(schema)
    if value is None:
        return
    if "oneOf" in schema:
        if all(list(faults(value, each, at)) for each in schema["oneOf"]):
            yield f"{at}: Invalid value: {value!r}"
        return
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else [k for k in wanted or [] if k != "null"]
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at}: Invalid type. Expected: {'/'.join(kinds)}, given: {type(value).__name__}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: Unsupported value: {value!r}: supported values: {schema['enum']}"
    if isinstance(value, dict):
        yield from _object_faults(value, schema, at)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from faults(each, schema.get("items") or {}, f"{at}[{number}]")
        yield from _duplicates(value, schema, at)


def _object_faults(value: dict[str, Any], schema: Schema, at: str) -> Iterator[str]:
    for name in schema.get("required") or []:
        if value.get(name) is None:
            yield f"{at}.{name}: Required value".lstrip(".")
    if schema.get("properties") is None and schema.get("additionalProperties") is None:
        return
    for name, each in value.items():
        path = f"{at}.{name}".lstrip(".")
        field = of_field(schema, name)
        if field is None:
            yield f'unknown field "{path}"'
        else:
            yield from faults(each, field, path)


def _duplicates(value: list[Any], schema: Schema, at: str) -> Iterator[str]:
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") != "map" or not keys:
        return
    names = [json.dumps([each.get(key) for key in keys]) for each in value]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{at}: Duplicate value: {name}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES[kind])
