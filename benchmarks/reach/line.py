"""One thing to be reached, and whether it was."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`met` is None where it could not be measured; `told` then says why."""

    what: str
    reach: str
    told: str
    met: bool | None


def at_most(what: str, told: str, value: float, limit: float, unit: str) -> Line:
    return Line(what, f"≤ {limit:g} {unit}", told, value <= limit)


def at_least(what: str, told: str, value: float, limit: float, unit: str) -> Line:
    return Line(what, f"≥ {limit:g} {unit}", told, value >= limit)


def reached(lines: Iterable[Line]) -> str:
    """A table in Markdown."""
    told = {True: "met", False: "**not met**", None: "not measured"}
    rows = [f"| {each.what} | {each.reach} | {each.told} | {told[each.met]} |" for each in lines]
    head = ("| what | reach | measured | |", "| --- | --- | --- | --- |")
    return "\n".join(["\n### To be reached\n", *head, *rows, ""])
