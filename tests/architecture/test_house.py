"""Rooms stay small enough to be seen, and arrows go one way."""

import ast
from collections.abc import Mapping

import pytest

from tests.architecture import drawing, house

MODULES = 15
LINES = 60
PARAMETERS = 8

EXCEPTIONS: Mapping[str, str] = {}
"""By rule and place, with the reason."""


def unexcused(rule: str, found: Mapping[str, str]) -> list[str]:
    """What breaks a rule without being listed, and what is listed and keeps it."""
    listed = {key.removeprefix(f"{rule}: ") for key in EXCEPTIONS if key.startswith(f"{rule}: ")}
    broken = [f"{place}: {what}" for place, what in found.items() if place not in listed]
    return broken + [f"{place} keeps the rule: its exception goes" for place in listed - {*found}]


def test_a_folder_has_no_more_modules_than_can_be_seen_at_once() -> None:
    counts = house.folders(*house.ROOMS, "tests", "benchmarks", "examples")
    crowded = {where: f"{n} modules" for where, n in counts.items() if n > MODULES}
    assert unexcused("folders", crowded) == []


def test_a_function_fits_on_a_screen() -> None:
    long = {
        f"{path}:{function.name}": f"{lines} lines"
        for path, tree in house.modules(*house.ROOMS).items()
        for function in house.functions(tree)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > LINES
    }
    assert unexcused("functions", long) == []


def test_a_constructor_takes_what_a_reader_can_hold() -> None:
    many = {
        path: f"{taken} parameters"
        for path, tree in house.modules(*house.ROOMS).items()
        for function in house.functions(tree)
        if function.name == "__init__" and (taken := house.parameters(function)) > PARAMETERS
    }
    assert unexcused("constructors", many) == []


FOUNDATIONS = frozenset({"Value", "DomainError"})
"""Inherited from by design: every value's base, and the root of the one tree of errors."""


def test_the_domain_inherits_at_most_once() -> None:
    classes = house.bases("domain")

    def steps(name: str) -> int:
        if name not in classes or name in FOUNDATIONS:
            return 0
        return max(
            (1 + steps(b) for b in classes[name][1] if b in classes and b not in FOUNDATIONS),
            default=0,
        )

    tall = {
        f"{classes[name][0]}:{name}": f"{steps(name)} steps" for name in classes if steps(name) > 1
    }
    assert unexcused("inheritance", tall) == []


@pytest.mark.parametrize("top", ["domain", "infra"])
def test_no_part_of_a_room_leads_back_to_itself(top: str) -> None:
    """`lint-imports` holds the layers; this says that the drawing can be made of them."""
    arrows = house.imports(top)
    ranks = {part: rank for rank, layer in enumerate(house.layers(top)) for part in layer}
    assert set(arrows) <= set(ranks)
    upward = [(a, b) for a, found in arrows.items() for b in found if ranks[b] <= ranks[a]]
    assert upward == []


def test_the_drawing_of_the_layers_is_as_the_code_is() -> None:
    """`make drawing` draws it anew."""
    page = drawing.PAGE.read_text()
    assert drawing.redrawn(page) == page
    assert page.count("```mermaid") == 2


def test_nothing_waits_by_what_loses_cancellations() -> None:
    waits = [
        f"{path}:{node.lineno}"
        for path, tree in house.modules(*house.ROOMS).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
        if isinstance(node.value, ast.Name) and node.value.id == "asyncio"
    ]
    assert waits == [], "before Python 3.12 it does: asyncio.timeout, or time_limit.within"
