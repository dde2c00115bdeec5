"""A share of `make attack`: the rows that cost little, on a host of their own."""

from collections.abc import Iterator

import pytest

from outside.running_host import RunningHost
from tests.attack.ground import Ground, ground
from tests.attack.suite import ROWS


@pytest.fixture(scope="module")
def attacked(host: RunningHost) -> Iterator[Ground]:
    with ground(host) as laid_out:
        yield laid_out


@pytest.mark.parametrize("row", ["API1", "API3", "API6", "API7", "API8", "API9", "API10"])
def test_nothing_gets_through(attacked: Ground, row: str) -> None:
    what, attempts = ROWS[row]
    made = list(attempts(attacked))
    assert made, what
    assert [attempt for attempt in made if not attempt.held] == []
