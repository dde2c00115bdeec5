"""The fields of YAML files, from what reads them."""

from collections.abc import Iterator
from typing import Any

from cli.commands.daily.files.schema import KINDS
from scripts.docs_site.markdown import cell, code, table

_COLUMNS = ("field", "values", "default", "meaning")
_SHOWN_ALONE = {each.name for kind in KINDS.values() for each in kind.fields if each.ignored}
"""What `show` writes of one kind or another, which files within files may have, too."""
Schema = dict[str, Any]


def yaml_page() -> str:
    """Every kind of file with its fields."""
    lines = [
        "# Fields of YAML files",
        "",
        "Made of what reads them. `mle schema KIND` gives the same to editors as a JSON Schema; "
        "how files are written, and what may stand in one: [files](../command-line.md#files). "
        "`.*` stands for names of yours, `[]` for each of a list.",
        "",
    ]
    for kind, record in sorted(KINDS.items()):
        ignored = {each.name for each in record.fields if each.ignored}
        lines += [f"## {kind}", "", record.doc, ""]
        lines += table(_COLUMNS, list(_rows(record.schema(), "", ignored)))
        if ignored:
            named = ", ".join(code(name) for name in sorted(ignored))
            lines += [f"Taken and left alone, since `show` and Azure ML write them: {named}.", ""]
    return "\n".join(lines)


def _rows(schema: Schema, prefix: str, ignored: set[str]) -> Iterator[tuple[str, ...]]:
    required = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        if name == "$schema" or (not prefix and name in ignored):
            continue
        if prefix and each == {} and name in _SHOWN_ALONE:
            continue
        meaning = cell(each.get("description", ""))
        needed = "**needed**" if name in required else ""
        default = each.get("default")
        yield (
            code(f"{prefix}{name}"),
            _values(each),
            needed or (code(str(default)) if default is not None else ""),
            meaning,
        )
        yield from _below(each, f"{prefix}{name}")


def _below(schema: Schema, name: str) -> Iterator[tuple[str, ...]]:
    for form in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "properties" in form:
            yield from _rows(form, f"{name}.", set())
        more = form.get("additionalProperties")
        if isinstance(more, dict):
            yield from _below(more, f"{name}.*")
        if isinstance(form.get("items"), dict):
            yield from _below(form["items"], f"{name}[]")


def _values(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(code(str(each)) for each in schema["enum"])
    forms = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if forms:
        return " or ".join(dict.fromkeys(each for each in map(_values, forms) if each))
    kind = schema.get("type", "anything")
    named = "text" if isinstance(kind, list) or kind == "string" else str(kind)
    if kind == "object":
        named = "fields" if "properties" in schema else "names with values"
    if kind == "array":
        named = "a list"
    bounds = [
        f"{word} {schema[key]:g}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"))
        if key in schema
    ]
    return ", ".join([named, *bounds])
