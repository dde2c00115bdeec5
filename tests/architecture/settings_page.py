"""`python -m tests.architecture.settings_page`: writes docs/settings.md from the settings' own
names, defaults, bounds and docstrings."""

import ast
import inspect
import sys
import textwrap
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from infra.settings import EMBEDDED_DEFAULTS, Settings
from infra.settings.group import SettingsGroup
from infra.settings.values import BYTES, Unit
from tests.kit.real_app import ROOT

PAGE = ROOT / "docs" / "settings.md"
_SIZES = (("Gi", 2**30), ("Mi", 2**20))
_INTRODUCTION = """\
# Settings

Environment variables, or `Values` in `local.settings.json`, where the environment wins; a blank
value is the same as none. A size may have a unit: `512Mi`, `4Gi`. The
[sample](../local.settings.sample.json) has every one with its default. Whatever is missing, wrong
or unknown is refused at start, all at once, by name.

`make settings-page` writes this page from `infra/settings`.
"""


def meanings(group: type[SettingsGroup]) -> dict[str, str]:
    """By field: its docstring, on one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(group))).body
    assert isinstance(tree, ast.ClassDef)
    said: dict[str, str] = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(field.target, ast.Name)
            said[field.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return said


def written(info: FieldInfo) -> str:
    """A setting's default as one would write it; nothing where it has none."""
    match info.default:
        case None | ():
            return ""
        case bool(value):
            return str(value).lower()
        case int(count) if BYTES in _metadata(info):
            return next((f"{count // n}{u}" for u, n in _SIZES if count % n == 0), str(count))
        case value:
            return str(value)


def settings_page() -> str:
    sections = (_section(name, group) for name, group in Settings.groups().items())
    return "\n".join([_INTRODUCTION, *sections])


def _section(name: str, group: type[SettingsGroup]) -> str:
    said = meanings(group)
    rows = [
        f"| `{info.alias}` | {_default(info)} | {_values(info)} | {said[field]} |"
        for field, info in group.model_fields.items()
    ]
    table = ["| name | default | value | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {name.capitalize()}", "", inspect.getdoc(group) or "", "", *table, ""])


def _default(info: FieldInfo) -> str:
    if info.is_required():
        embedded = EMBEDDED_DEFAULTS.get(str(info.alias))
        return f"needed; embedded `{embedded}`" if embedded else "needed"
    text = written(info)
    return f"`{text}`" if text else ""


def _values(info: FieldInfo) -> str:
    """Its unit, bounds and choices."""
    told: list[str] = []
    for part in _metadata(info):
        match part:
            case Unit(name):
                told.append(name)
            case Ge(least):
                told.append(f"at least {least:g}")
            case Gt(0):
                told.append("more than 0")
            case Le(most):
                told.append(f"at most {most:g}")
    told += [f"`{choice}`" for choice in _choices(info.annotation)]
    return ", ".join(told)


def _metadata(info: FieldInfo) -> list[Any]:
    inner = [m for part in get_args(info.annotation) for m in getattr(part, "__metadata__", ())]
    parts = [*info.metadata, *inner]
    return sorted(parts, key=lambda part: not isinstance(part, Unit))


def _choices(annotation: Any) -> list[str]:
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def main() -> int:
    PAGE.write_text(settings_page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
