"""What is planted, and how."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Original = Any


@dataclass(frozen=True)
class Bug:
    """`attribute` of `of` is replaced by what `by` makes of it. `scenario`: where it can show."""

    name: str
    why: str
    of: Any
    attribute: str
    by: Callable[[Original], Any]
    scenario: str = "batch job"


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    original = vars(bug.of)[bug.attribute]
    setattr(bug.of, bug.attribute, bug.by(original))
    try:
        yield
    finally:
        setattr(bug.of, bug.attribute, original)
