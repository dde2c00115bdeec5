"""Tests reach no private members of ours: what they know, a caller may know too."""

import ast
import re
from collections.abc import Iterator, Mapping

from tests.architecture.house import ROOMS, modules

OURS = re.compile(rf"({'|'.join(ROOMS)}|tests|examples|benchmarks|function_app)(\.|$)")
EXCEPTIONS: Mapping[str, str] = {}
"""By module, with the reason."""


def is_private(name: object) -> bool:
    return isinstance(name, str) and bool(re.fullmatch(r"_[a-zA-Z]\w*", name))


def reached(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines, and what they reach."""
    own = _defined(tree)
    imported = {
        alias.asname or alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    foreign = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if not OURS.match(alias.name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if OURS.match(module):
                for alias in node.names:
                    if is_private(alias.name):
                        yield node.lineno, f"from {module} import {alias.name}"
            case ast.Attribute(attr=name, value=of) if is_private(name) and name not in own:
                if not isinstance(of, ast.Name) or of.id not in {"self", "cls", *foreign}:
                    yield node.lineno, ast.unparse(node)
            case ast.Call(args=[*arguments]) if _sets_or_gets(node):
                named = arguments[0] if len(arguments) < 3 and _is_text(arguments[0]) else None
                named = named or arguments[1]
                if isinstance(named, ast.Constant):
                    name = str(named.value).rpartition(".")[2]
                    if is_private(name) and name not in own:
                        yield node.lineno, ast.unparse(node)
            case ast.ClassDef():
                for base in node.bases:
                    module = imported.get(ast.unparse(base).partition("[")[0], "")
                    for name in _private_of(module, ast.unparse(base)) & _used_by_self(node):
                        yield node.lineno, f"{node.name} uses {name} of {ast.unparse(base)}"


def _defined(tree: ast.Module) -> set[str]:
    """Private names that the module itself gives to something."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self" | "cls")):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return {name for name in found if is_private(name)}


def _used_by_self(of: ast.ClassDef) -> set[str]:
    used = {
        node.attr
        for node in ast.walk(of)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    return used | {n.name for n in of.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def _private_of(module: str, base: str) -> set[str]:
    """What a class of ours has for itself."""
    path = f"{module.replace('.', '/')}.py"
    tree = modules(*ROOMS, "tests").get(path)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == base:
            return {name for name in _defined(ast.Module([node], [])) if is_private(name)}
    return set()


def _sets_or_gets(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return bool(call.args) and bool(
        re.fullmatch(r"(\w+\.)?(setattr|delattr)|getattr|hasattr", name)
    )


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_no_test_reaches_a_private_member() -> None:
    found = [
        f"{path}:{line}: {what}"
        for path, tree in modules("tests").items()
        for line, what in sorted(set(reached(path, tree)))
        if path not in EXCEPTIONS
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_still_one() -> None:
    trees = modules("tests")
    assert all(path in trees and any(reached(path, trees[path])) for path in EXCEPTIONS)
