"""Tests mean the same on every machine, however slow and however busy: what makes them fail for
no fault of the product is kept out, kind by kind. tests/steady.py tries it."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import pytest

from tests.architecture import house

Found = Iterator[tuple[int, str]]
"""Lines, and what is wrong there."""

EXCEPTIONS: Mapping[str, str] = {
    "nothing is measured: tests/kit/waiting.py": "ends a wait for what never comes",
    "nothing is measured: outside/waiting.py": "ends a wait for what never comes",
    "nobody sleeps: outside/waiting.py": "looks again",
    "nothing is measured: tests/chaos/ordeal.py": "tells how long runs took; nothing rests on it",
    "nothing is measured: tests/chaos/__main__.py": "tells how long runs took",
    "nothing is measured: tests/simulation/__main__.py": "tells how fast it was",
    "nobody sleeps: tests/kit/waiting.py": "looks again",
    "nobody is hurried: tests/steady.py": "its control group may stay; no test waits for that",
    "nobody sleeps: tests/chaos/ordeal.py": "kills at moments that a seed chose",
    "nobody sleeps: tests/servers/kubernetes/cluster.py": "a controller's period",
    "nobody sleeps: tests/servers/kubernetes/machines/kubelet.py": "a kubelet's backoffs",
    "nobody sleeps: tests/servers/kubernetes/machines/pod_containers.py": "a kubelet's graces",
    "nothing is shared by name: tests/servers/arm/ingress.py": "at an address that nobody else has",
    "nobody sleeps: tests/servers/service_bus/quick.py": "shortens the SDK's own pauses",
}
"""By rule and module, with the reason."""


def modules() -> Mapping[str, ast.Module]:
    """Every module of the tests and of what they see a host with, by its path from the root."""
    return house.modules("tests", "outside")


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def called(node: ast.AST) -> str:
    """`a.b.c` of a call of it, `?.c` of one on what has no name; '' for any other node."""
    return _dotted(node.func) if isinstance(node, ast.Call) else ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


# -- what is made when a module is collected ------------------------------------------------

_CLOCK = re.compile(
    r"(time\.)?(time|time_ns|monotonic|perf_counter|process_time|localtime|gmtime)"
    r"|(.*\.)?(now|utcnow|today)"
)
_TOKEN = re.compile(r"jwt\.encode")


def made_at_collection(path: str, tree: ast.Module) -> Found:
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        for each in _run_with(node):
            if any(_is_of_the_moment(callee) for callee in _callees(path, [each])):
                yield each.lineno, f"{ast.unparse(each)} has grown old when its test runs"


def _run_with(node: ast.AST) -> Iterator[ast.expr]:
    """The calls that are made when `node`, which stands in a module, is run: those in bodies of
    functions are not."""
    if isinstance(node, ast.Call):
        yield node
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for name, value in ast.iter_fields(node):
        if is_function and name == "body":
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield from _run_with(each)


def _is_of_the_moment(callee: str) -> bool:
    return callee in _of_the_moment() or _is_known(callee)


def _is_known(callee: str) -> bool:
    name = callee.rpartition(":")[2]
    return bool(_CLOCK.fullmatch(name) or _TOKEN.fullmatch(name))


@cache
def _of_the_moment() -> frozenset[str]:
    """Functions and classes of the tests, as `path:name`, that read a clock or make a token."""
    calls = {
        f"{path}:{name}": set(_callees(path, ast.walk(node)))
        for path, tree in modules().items()
        for name, node in _functions(tree)
    }
    found: set[str] = set()
    while True:
        more = {
            name
            for name, callees in calls.items()
            if name not in found and any(each in found or _is_known(each) for each in callees)
        }
        if not more:
            return frozenset(found)
        found |= more


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions of a module, and its classes with what making one of them runs, by name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name in ("__init__", "__post_init__"):
                    yield node.name, each


def _callees(path: str, nodes: Iterable[ast.AST]) -> set[str]:
    """What is called in `nodes` of a module, as `path:name` of where it stands."""
    imported = _imported(path)
    names = filter(None, map(called, nodes))
    return {imported.get(name, f"{path}:{name}") for name in names}


@cache
def _imported(path: str) -> Mapping[str, str]:
    """What a module has of others of the tests, by the name that it has there."""
    return {
        alias.asname or alias.name: f"{node.module.replace('.', '/')}.py:{alias.name}"
        for node in ast.walk(modules()[path])
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests")
        for alias in node.names
    }


# -- what a slow machine does not keep up with ----------------------------------------------


def measured(_: str, tree: ast.Module) -> Found:
    clock = re.compile(r"(.*\.)?(monotonic|perf_counter|process_time|thread_time)")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and clock.fullmatch(called(node)):
            yield node.lineno, f"{ast.unparse(node)}: what is measured is a benchmark"
        is_list = isinstance(node, ast.keyword) and node.arg == "suppress_health_check"
        if is_list and "too_slow" not in ast.unparse(node):
            yield _line(node), f"{ast.unparse(node)}: too_slow is a check of the machine"


_AGAIN, _FOR_GOOD = 0.05, 600


def slept(_: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        script = node.value if isinstance(node, ast.Constant) else ""
        for seconds in re.findall(r"\bsleep\(([\d.]+)\)", str(script)):
            # A script looks again at once, or hangs for good.
            if _AGAIN < float(seconds) < _FOR_GOOD:
                yield _line(node), f"sleep({seconds}) in a script: wait on a file, or for ever"
        if called(node) in ("time.sleep", "asyncio.sleep") and not ast.unparse(node).endswith(
            "(0)"
        ):
            yield _line(node), f"{ast.unparse(node)}: wait on a condition"


_LIMITED = re.compile(r"httpx\.(get|head|post|put|patch|delete|request|stream|Client|AsyncClient)")
"""What has a limit of some seconds where it is given none."""
_OURS = {"RouteTable": "read_limit", "StoredSums": "write_limit", "HttpServer": "limits"}
"""What of ours has, and by which name another is given."""
_WAITS = re.compile(
    r"asyncio\.(timeout|wait_for|wait)|subprocess\.\w+|socket\.create_connection|until|eventually"
    r"|httpx\.\w+|aiohttp\.\w+|.*\.(wait|join|communicate|urlopen|settimeout|result|ended|stop)"
)
_FIRST = ("asyncio.timeout", "settimeout")
_LIMITS = ("timeout", "within", "patience", "seconds", "total")


def hurried(_: str, tree: ast.Module) -> Found:
    numbers = {
        ast.unparse(target)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_number(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = node.args.defaults[::-1] + node.args.kw_defaults[::-1]
            arguments = node.args.args[::-1] + node.args.kwonlyargs[::-1]
            named = zip(arguments, defaults, strict=False)
            if any(a.arg == "within" and _is_number(default) for a, default in named):
                yield node.lineno, f"{node.name}(within=...): PATIENCE of tests/kit/waiting.py"
        if not isinstance(node, ast.Call):
            continue
        given = {each.arg for each in node.keywords}
        needed = "timeout" if _LIMITED.fullmatch(called(node)) else _OURS.get(called(node))
        if needed and not given & {needed, None}:
            yield node.lineno, f"{ast.unparse(node)[:100]}: {needed}=PATIENCE"
        if not _WAITS.fullmatch(called(node)):
            continue
        limits = [each.value for each in node.keywords if each.arg in _LIMITS]
        if called(node).endswith(_FIRST):
            limits += node.args[:1]
        if called(node) == "asyncio.wait_for":
            limits += node.args[1:2]
        if any(_is_number(limit) or ast.unparse(limit) in numbers for limit in limits):
            yield node.lineno, f"{ast.unparse(node)[:100]}: PATIENCE of tests/kit/waiting.py"


def _is_number(node: ast.AST | None) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) and _is_number(node.right)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


# -- what processes of the suite would share ------------------------------------------------


def shared(_: str, tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.match(r"/(var/)?tmp(/|$)", str(node.value)):
            yield _line(node), f"{node.value!r} is everybody's: tmp_path"
        if _binds(node) and any(type(n.value) is int and n.value for n in _constants(node)):
            yield _line(node), f"{ast.unparse(node)}: port 0"
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        if any(ast.unparse(target).startswith("os.environ[") for target in targets):
            yield _line(node), f"{ast.unparse(node)}: monkeypatch.setenv"


def _binds(node: ast.AST) -> bool:
    return bool(re.fullmatch(r"(.*\.)?(create_server|start_server|bind|TCPSite)", called(node)))


def _constants(node: ast.AST) -> Iterator[ast.Constant]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Constant))


# -- what goes on by itself, and would be counted too ---------------------------------------

_COUNTS_BY_TIMER = {"compose_on": "aggregate_period", "StoredSums": "period"}
"""By what stores its counts now and then, how it is told when."""


def ticking(_: str, tree: ast.Module) -> Found:
    said = {each.value for each in _constants(tree)}
    for node in ast.walk(tree):
        needed = _COUNTS_BY_TIMER.get(called(node))
        if needed and needed not in said | {each.arg for each in getattr(node, "keywords", [])}:
            yield _line(node), f"{called(node)}(...): say when it stores its counts: {needed}"


RULES: Mapping[str, Callable[[str, ast.Module], Found]] = {
    "nothing that grows old is made when collected": made_at_collection,
    "nothing is measured": measured,
    "nobody sleeps": slept,
    "nobody is hurried": hurried,
    "nothing is shared by name": shared,
    "no timer counts along": ticking,
}


@cache
def broken(rule: str) -> Mapping[str, list[str]]:
    """What breaks a rule, by module."""
    found = {
        path: [f"{path}:{line}: {what}" for line, what in sorted(set(RULES[rule](path, tree)))]
        for path, tree in modules().items()
    }
    return {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize("rule", RULES)
def test_of_the_tests(rule: str) -> None:
    found = [
        line
        for path, lines in broken(rule).items()
        for line in lines
        if f"{rule}: {path}" not in EXCEPTIONS
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_still_one() -> None:
    needed = {f"{rule}: {path}" for rule in RULES for path in broken(rule)}
    assert set(EXCEPTIONS) <= needed
