"""Bodies held against Microsoft's published schema, made strict: it lets unknown properties pass as
it is, takes expressions of templates for anything, and counts cores in whole numbers."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft4Validator  # type: ignore[import-untyped]

_SHARED: Final = Path(__file__).resolve().parents[4] / "shared" / "schemas"
SCHEMA: Final = _SHARED / "Microsoft.App-2026-01-01.json"
TYPES: Final = _SHARED / "bicep-types" / "app_0_microsoft.app_2026-01-01.json"
WITHOUT: Final = f"{SCHEMA.parent} is not there"
_READ_ONLY: Final = 2
_REQUIRED: Final = 1


def is_there() -> bool:
    return SCHEMA.exists() and TYPES.exists()


def faults(name: str, body: Mapping[str, Any]) -> list[str]:
    """Of a container app's body; none where the schemas are not there."""
    if not is_there():
        return []
    whole = {**body, "name": name, "type": "Microsoft.App/containerApps"}
    whole["apiVersion"] = "2026-01-01"
    told = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in _validator().iter_errors(whole)
    ]
    return told + list(_read_only(body, _app_type(), ""))


@cache
def _validator() -> Any:
    document = json.loads(SCHEMA.read_text())
    strict = _strict(document)
    return Draft4Validator(
        {**strict["resourceDefinitions"]["containerApps"], "definitions": strict["definitions"]}
    )


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "oneOf" in node:
        real = [each for each in node["oneOf"] if "expression" not in each.get("$ref", "")]
        if len(real) == 1 and len(real) < len(node["oneOf"]):
            rest = {k: v for k, v in node.items() if k != "oneOf"}
            return _strict({**rest, **real[0]})
    made = {key: _strict(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        made.setdefault("additionalProperties", False)
        cpu = made["properties"].get("cpu")
        if isinstance(cpu, dict) and cpu.get("type") == "integer":
            made["properties"]["cpu"] = {"type": "number"}
    return made


@cache
def _types() -> list[Any]:
    found: list[Any] = json.loads(TYPES.read_text())
    return found


@cache
def _app_type() -> Any:
    name = "Microsoft.App/containerApps@2026-01-01"
    resource = next(t for t in _types() if t["$type"] == "ResourceType" and t["name"] == name)
    return _of(resource["body"])


def _of(reference: Mapping[str, str]) -> Any:
    return _types()[int(reference["$ref"].removeprefix("#/"))]


def _read_only(body: Any, type: Any, at: str) -> Iterator[str]:
    """Properties that are the platform's to tell."""
    if type["$type"] == "ArrayType" and isinstance(body, list):
        for number, each in enumerate(body):
            yield from _read_only(each, _of(type["itemType"]), f"{at}[{number}]")
    if type["$type"] != "ObjectType" or not isinstance(body, dict):
        return
    for name, value in body.items():
        about = type["properties"].get(name)
        if about is None:
            continue
        if about["flags"] & _READ_ONLY and not about["flags"] & _REQUIRED:
            yield f"{at}.{name}: is read-only"
        else:
            yield from _read_only(value, _of(about["type"]), f"{at}.{name}")
