"""The codes of refusals, as the code says them: read from it, and not run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from domain import errors
from domain.errors import DomainError
from handlers.refusals import status_of
from scripts.docs_site.markdown import cell, code, table

_ROOMS = ("domain", "handlers", "infra")


@dataclass
class Refusal:
    """One code: the statuses it is answered with, and what is said with it."""

    statuses: set[int] = field(default_factory=set)
    said: dict[str, None] = field(default_factory=dict)


def errors_page(root: Path) -> str:
    """Every code, in order of the alphabet."""
    rows: list[tuple[str, ...]] = [
        (
            code(name),
            ", ".join(str(status) for status in sorted(each.statuses))
            or "within another's `details`",
            "<br>".join(each.said),
        )
        for name, each in sorted(refusals(root).items())
    ]
    return "\n".join(
        [
            "# Error codes",
            "",
            "Made of the code. A refusal of the control plane is ARM's error envelope: `error` "
            "with `code`, `message` (what is wrong, and what to do), `target` (the field) and "
            "`details`, which has every fault at once; the header `x-ms-error-code` repeats the "
            "code. What a scoring request is refused with: "
            "[the README's table](../../README.md#deploy-a-model-behind-an-online-endpoint). "
            "`…` stands for names and numbers.",
            "",
            *table(("code", "status", "said with it"), rows),
        ]
    )


def refusals(root: Path) -> dict[str, Refusal]:
    """By code, as classes, calls of them, and details have it."""
    kinds = _kinds()
    trees = [ast.parse(path.read_text("utf-8")) for path in _modules(root)]
    found: dict[str, Refusal] = {}
    named: dict[str, str] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and (kind := _base(node, kinds)):
                kinds.setdefault(node.name, kind)
                if name := _own_code(node):
                    named[node.name] = name
                    said = cell((ast.get_docstring(node) or "").split("\n\n")[0])
                    _note(found, name, said, kind)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _called(found, node, kinds, named)
    return found


def _called(
    found: dict[str, Refusal],
    node: ast.Call,
    kinds: dict[str, type[DomainError]],
    named: dict[str, str],
) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == "Detail" and len(node.args) > 1:
        if said := _literal(node.args[0]):
            _note(found, said, _message(node.args[1]), None)
    elif name in kinds:
        chosen = next((k.value for k in node.keywords if k.arg == "code"), None)
        said = _literal(chosen) if chosen is not None else named.get(name, kinds[name].code)
        if said:
            _note(found, said, _message(node.args[0]) if node.args else "", kinds[name])


def _note(found: dict[str, Refusal], name: str, said: str, kind: type[DomainError] | None) -> None:
    refusal = found.setdefault(name, Refusal())
    if any(letter.isalpha() for letter in said):
        refusal.said.setdefault(said)
    if kind is not None:
        refusal.statuses.add(status_of(kind.__new__(kind)))


def _kinds() -> dict[str, type[DomainError]]:
    """What the domain's tree of errors has, by name."""
    members = vars(errors).items()
    return {
        name: each
        for name, each in members
        if isinstance(each, type) and issubclass(each, DomainError)
    }


def _base(node: ast.ClassDef, kinds: dict[str, type[DomainError]]) -> type[DomainError] | None:
    names = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return next((kinds[name] for name in [node.name, *names] if name in kinds), None)


def _own_code(node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "code" for target in each.targets
        ):
            return _literal(each.value)
    return ""


def _literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _message(node: ast.expr) -> str:
    """A message with … where something is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return cell(text)
        case ast.JoinedStr(values=parts):
            return cell("".join(_literal(part) if _literal(part) else "…" for part in parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return cell(f"{_message(left)} {_message(right)}")
        case _:
            return ""


def _modules(root: Path) -> Iterator[Path]:
    for room in _ROOMS:
        yield from sorted((root / room).rglob("*.py"))
