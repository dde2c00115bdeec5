"""Whatever goes from message to message goes by the one driver."""

import ast
from collections.abc import Iterator, Mapping

from domain.ground import messages
from domain.values import Value
from tests.architecture.house import modules

FENCE = "domain/ground/driving/fence.py"
DRIVER = "domain/ground/driving/driver.py"

PROCESSES = {
    "domain/jobs/job_supervision.py": messages.AdvanceJob,
    "domain/drops/blob_dropping.py": messages.CheckDrop,
    "domain/schedules/scheduling.py": messages.CheckSchedule,
    "domain/events/event_delivering.py": messages.DeliverEvents,
    "domain/provisioning/reconciler.py": messages.Reconcile,
    "domain/scaling/scale_watching.py": messages.LookAtScales,
}
"""And the message that drives each."""

_NAMES = frozenset({"chain", "tick"})


def test_every_process_gives_itself_to_the_driver() -> None:
    driving = {
        path
        for path, tree in _domain().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Driving"
    }
    assert driving == set(PROCESSES)


def test_every_message_with_a_chain_drives_one_of_them() -> None:
    chained = {
        each
        for each in vars(messages).values()
        if isinstance(each, type) and issubclass(each, Value) and "chain" in each.model_fields
    }
    assert chained == set(PROCESSES.values())


def test_nothing_but_the_fence_compares_chains_and_ticks() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, node in _expressions()
        if _is_comparison(node) and not _asks_for_a_nudge(path, node)
    ]
    assert found == []


def test_nothing_but_the_fence_moves_them_on() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, node in _expressions()
        if _is_addition(node) or _is_changed_copy(node)
    ]
    assert found == []


def _expressions() -> Iterator[tuple[str, ast.expr]]:
    """Of the whole domain but the fence."""
    for path, tree in _domain().items():
        for node in ast.walk(tree):
            if path != FENCE and isinstance(node, ast.expr):
                yield path, node


def _domain() -> Mapping[str, ast.Module]:
    return modules("domain")


def _is_fence(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _NAMES


def _is_comparison(node: ast.expr) -> bool:
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    parts = [part for side in sides for part in getattr(side, "elts", [side])]
    return any(_is_fence(part) for part in parts)


def _asks_for_a_nudge(path: str, node: ast.expr) -> bool:
    """The driver's own: whether a message has a chain at all."""
    return path == DRIVER and isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is)


def _is_addition(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_fence(node.left)


def _is_changed_copy(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "but"
        and any(keyword.arg in _NAMES for keyword in node.keywords)
    )
