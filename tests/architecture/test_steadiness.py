"""Tests mean the same on every machine, however slow and however busy: what has made them fail
for no fault of the product is kept out, class by class."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.real_app import ROOT

TESTS = ROOT / "tests"
Found = Iterator[tuple[int, str]]
"""Lines, and what is wrong there."""


@cache
def modules() -> Mapping[str, ast.Module]:
    """Every module of the tests, by its path from the root."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted(TESTS.rglob("*.py"))
    }


def called(node: ast.AST) -> str:
    """`a.b.c` of a call of it; '' for any other node."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def is_number(node: ast.AST | None) -> bool:
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return all(is_number(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


# -- what is made when a module is collected ------------------------------------------------

_CLOCKS = re.compile(r"(time\.)?(time|time_ns|monotonic|perf_counter|process_time)|.*\.(now|utcnow|today)")
_TOKENS = re.compile(r"(jwt\.)?encode")


def _at_collection(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs when `node`, part of a module's body, does: no function's body."""
    yield node
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and name == "body":
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield from _at_collection(each)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions of the module by name, and its classes with what making one of them runs."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name in ("__init__", "__post_init__"):
                    yield node.name, each


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names from other modules of the tests, and where they come from, as `path:name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
            path = str(node.module).replace(".", "/")
            for alias in node.names:
                yield alias.asname or alias.name, f"{path}.py:{alias.name}"


def _callees(path: str, tree: ast.Module, nodes: Iterator[ast.AST]) -> Iterator[str]:
    imported = dict(_imported(tree))
    for node in nodes:
        name = called(node)
        if name:
            yield imported.get(name, f"{path}:{name}")


@cache
def of_the_moment() -> frozenset[str]:
    """Functions and classes, as `path:name`, whose calls read a clock or make a token."""
    calls = {
        f"{path}:{name}": set(_callees(path, tree, ast.walk(node)))
        for path, tree in modules().items()
        for name, node in _functions(tree)
    }
    found: set[str] = set()
    while True:
        more = {
            function
            for function, callees in calls.items()
            if function not in found and any(callee in found or _is_of_the_moment(callee) for callee in callees)
        }
        if not more:
            return frozenset(found)
        found |= more


def _is_of_the_moment(callee: str) -> bool:
    name = callee.rpartition(":")[2]
    return bool(_CLOCKS.fullmatch(name) or _TOKENS.fullmatch(name))


def made_at_collection(path: str, tree: ast.Module) -> Found:
    for node in _at_collection(tree):
        for callee in _callees(path, tree, iter([node])):
            if callee in of_the_moment() or _is_of_the_moment(callee):
                yield node.lineno, f"{ast.unparse(node)} is hours old when its test runs"


# -- what a slow machine does not keep ------------------------------------------------------


def measured(path: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if re.fullmatch(r"(time\.)?(monotonic|perf_counter|process_time|thread_time)", called(node)):
            yield node.lineno, f"{ast.unparse(node)}: measure in benchmarks/"


def slept(path: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in ("time.sleep", "asyncio.sleep", "sleep"):
            if ast.unparse(node) != "asyncio.sleep(0)":
                yield node.lineno, f"{ast.unparse(node)}: wait on a condition"


_LIMITED = re.compile(
    r"asyncio\.(timeout|wait_for|wait)|asyncio\.timeout|subprocess\.run|.*\.communicate|.*\.wait|"
    r".*\.urlopen|httpx\.(Async)?Client|.*\.settimeout|socket\.create_connection|until|eventually|"
    r"aiohttp\.ClientTimeout|.*\.ended|.*\.stop"
)


def hurried(path: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not _LIMITED.fullmatch(called(node)):
            continue
        limits = [k.value for k in node.keywords if k.arg in ("timeout", "within", "patience", "seconds", "total")]
        if called(node) in ("asyncio.timeout",) or called(node).endswith("settimeout"):
            limits += node.args[:1]
        if called(node) == "asyncio.wait_for":
            limits += node.args[1:2]
        if any(is_number(limit) for limit in limits):
            yield node.lineno, f"{ast.unparse(node)[:100]}: PATIENCE of tests/kit/waiting.py"


def shared(path: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.match(r"/(var/)?tmp(/|$)", node.value):
                yield node.lineno, f"{node.value!r} is every process's: tmp_path"
        if isinstance(node, ast.Call) and re.search(r"(create_server|\.bind|start_server)$", called(node)):
            ports = [n for n in ast.walk(node) if is_number(n) and getattr(n, "value", 0) not in (0, True)]
            if ports:
                yield node.lineno, f"{ast.unparse(node)}: port 0"


RULES: Mapping[str, Callable[[str, ast.Module], Found]] = {
    "nothing is made when collected that grows old": made_at_collection,
    "nothing is measured": measured,
    "nobody sleeps": slept,
    "nobody is hurried": hurried,
    "nothing is shared by name": shared,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_in_every_test(rule: Callable[[str, ast.Module], Found]) -> None:
    broken = [
        f"{path}:{line}: {what}"
        for path, tree in modules().items()
        for line, what in sorted(rule(path, tree))
    ]
    assert not broken, "\n".join(broken)
