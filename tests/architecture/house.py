"""The house as its code has it: modules, what they import, how large things are."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.kit.real_app import ROOT

ROOMS = ("cli", "domain", "infra", "handlers", "runtime")


def modules(*tops: str) -> Mapping[str, ast.Module]:
    """Every module below `tops` (or a module itself), by its path from the root."""
    return {path: tree for top in tops for path, tree in parsed(top).items()}


@cache
def parsed(top: str) -> Mapping[str, ast.Module]:
    """The modules below one of them, parsed once: `let_go` forgets them."""
    found = sorted(ROOT.joinpath(top).rglob("*.py")) or [ROOT / top]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in found}


def let_go() -> None:
    parsed.cache_clear()


def folders(*tops: str) -> Mapping[str, int]:
    """How many modules each folder has, not counting what only makes it a package."""
    counts: dict[str, int] = {}
    for path in modules(*tops):
        where = Path(path)
        counts.setdefault(where.parent.as_posix(), 0)
        counts[where.parent.as_posix()] += where.name != "__init__.py"
    return counts


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many a caller may give, `self` apart."""
    given = function.args
    return len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs) - 1


def bases(*tops: str) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Of each class, its module and the names of what it inherits from."""
    return {
        node.name: (path, tuple(_name(base) for base in node.bases))
        for path, tree in modules(*tops).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _name(base: ast.expr) -> str:
    while isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else ast.unparse(base)


def imports(top: str) -> Mapping[str, frozenset[str]]:
    """What each part of a room imports of its other parts."""
    arrows: dict[str, set[str]] = {}
    for path, tree in modules(top).items():
        part = Path(path).with_suffix("").parts[1]
        if part == "__init__":
            continue
        found = arrows.setdefault(part, set())
        for node in ast.walk(tree):
            found.update(other for other in _parts(node, top) if other != part)
    return {part: frozenset(others) for part, others in sorted(arrows.items())}


def _parts(node: ast.AST, top: str) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        first, _, rest = node.module.partition(".")
        if first == top:
            yield from [rest.split(".")[0]] if rest else [each.name for each in node.names]


def layers(top: str) -> list[list[str]]:
    """The layers that the contract in pyproject.toml has for a room, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [found] = [c for c in contracts["contracts"] if _is_of(c, top)]
    return [layer.split(" | ") for layer in found["layers"]]


def _is_of(contract: Mapping[str, Any], top: str) -> bool:
    return bool(contract["type"] == "layers" and contract.get("containers") == [top])
