"""The HTTP surface, from the OpenAPI document that every host serves."""

from collections.abc import Iterator
from typing import Any

from scripts.docs_site.markdown import cell, code, table

_WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
Document = dict[str, Any]


def rest_page(document: Document) -> str:
    """Every operation by its path, then every body with its fields."""
    lines = [
        "# REST",
        "",
        "Made of the OpenAPI document that every host serves at `GET /openapi.json`. Paths that "
        f"begin with `…` are below the workspace, `{_WORKSPACE}`, and take any `api-version`. "
        "A refusal is [ARM's error envelope](errors.md). From end to end by `curl`: "
        "[the README](../../README.md#deploy-a-model-behind-an-online-endpoint).",
        "",
        "## Operations",
        "",
    ]
    for group, rows in sorted(_groups(document).items()):
        lines += [f"### {group}", "", *table(("call", "does", "body", "answers"), rows)]
    lines += ["## Bodies", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", ""]
        if schema.get("description"):
            lines += [" ".join(schema["description"].split()), ""]
        lines += table(("field", "values", "meaning"), list(_fields(schema)))
    return "\n".join(lines)


def _groups(document: Document) -> dict[str, list[tuple[str, ...]]]:
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path, methods in document["paths"].items():
        short = path.replace(_WORKSPACE, "…")
        words = [word for word in short.strip("…/").split("/") if not word.startswith("{")]
        group = words[0] if words else "workspace"
        for method, operation in methods.items():
            groups.setdefault(group, []).append(
                (
                    code(f"{method.upper()} {short}"),
                    cell(operation.get("summary", "")),
                    _body(operation),
                    ", ".join(status for status in operation["responses"] if status != "default"),
                )
            )
    return groups


def _body(operation: Document) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    named = [_type(each.get("schema", {})) for each in content.values()]
    return ", ".join(dict.fromkeys(each for each in named if each))


def _fields(schema: Document) -> Iterator[tuple[str, ...]]:
    required = set(schema.get("required", ()))
    if "enum" in schema:
        yield "", _type(schema), ""
    for name, each in schema.get("properties", {}).items():
        said = cell(each.get("description", ""))
        yield code(name), _type(each), f"{said} **needed**".strip() if name in required else said


def _type(schema: Document) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(code(str(each)) for each in schema["enum"])
    forms = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if forms:
        return " or ".join(dict.fromkeys(_type(each) for each in forms))
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"by name: {_type(schema['additionalProperties'])}"
    named = schema.get("format") or schema.get("const") or kind or "anything"
    return " or ".join(named) if isinstance(named, list) else cell(str(named))
