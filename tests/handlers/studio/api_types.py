"""Writes the studio's types of what the host answers from its OpenAPI document:
`python -m tests.handlers.studio.api_types`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from handlers.openapi import reached
from tests.kit.real_app import indexed

PAGE: Final = Path(__file__).parents[3] / "studio" / "src" / "api.ts"
_HEAD: Final = (
    "/** What the host answers: written from its OpenAPI document by `make studio-types`. Do not\n"
    " * change it here. */\n"
)
_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def written() -> str:
    """As it should stand in `PAGE`."""
    document = indexed()["openapi"]
    schemas = document["components"]["schemas"]
    answers = [
        told["content"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for told in operation["responses"].values()
        if "content" in told
    ]
    shown = {_name(each): schemas[each] for each in sorted(reached(schemas, answers))}
    return _HEAD + "".join(f"\n{_declared(name, each)}\n" for name, each in sorted(shown.items()))


def _name(schema: str) -> str:
    return schema.removesuffix("-Output").removesuffix("Answer")


def _declared(name: str, schema: Mapping[str, Any]) -> str:
    about = schema.get("description", "").replace("*/", "").strip()
    comment = f"/** {' '.join(about.split())} */\n" if about else ""
    if "properties" in schema:
        return f"{comment}export interface {name} {_members(schema)}"
    return f"{comment}export type {name} = {_type(schema)};"


def _members(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    lines = [
        f"  {_key(name)}{'' if name in required else '?'}: {_type(each)};\n"
        for name, each in schema["properties"].items()
    ]
    return "{\n" + "".join(lines) + "}"


def _key(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'


def _type(schema: Any) -> str:
    """Raises KeyError for what nothing here is written in."""
    if schema is True or not schema:
        return "unknown"
    if "$ref" in schema:
        return _name(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[union]))
    kind = schema.get("type")
    if kind is None:
        return "unknown"
    if isinstance(kind, list):
        return " | ".join(_PLAIN[each] for each in kind)
    if kind == "array":
        items = _type(schema.get("items"))
        return f"({items})[]" if " | " in items else f"{items}[]"
    if kind == "object":
        return f"Record<string, {_type(schema.get('additionalProperties'))}>"
    return _PLAIN[kind]


if __name__ == "__main__":
    PAGE.write_text(written())
