"""Requests to a model without a script, joined into one call: each gets what it would have got
alone."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pandas
import pytest

from runtime.online.joining import Joining
from tests.kit.waiting import PATIENCE, until

Predict = Callable[[Any, Any], Any]
HOLD = -1.0
BAD = -2.0
STALL = -3.0


class Model:
    """Twice each row's x, or what `say` makes of a table. Calls of HOLD and of STALL go on until
    they are let go."""

    def __init__(self, say: Callable[[Any], Any] = lambda table: (table["x"] * 2).to_numpy()):
        self.calls: list[list[float]] = []
        self.held = threading.Event()
        self.go = threading.Event()
        self.goes_on = threading.Event()
        self._say = say

    def predict(self, table: Any, params: Any) -> Any:
        rows = table["x"].tolist()
        self.calls.append(rows)
        if HOLD in rows:
            self.held.set()
            assert self.go.wait(PATIENCE)
        if STALL in rows:
            assert self.goes_on.wait(PATIENCE)
        if BAD in rows:
            raise ValueError(f"{len(rows)} rows with a bad one")
        answer = self._say(table)
        return answer * params["by"] if params else answer


def table(*rows: float) -> Any:
    return pandas.DataFrame({"x": rows})


def once(model: Model, joining: Joining, *asked: Any, params: Any = None) -> list[Any]:
    """What each is told, or the error that it got, of those that come while a call is held: the
    first of them waits no more after a moment, and takes the others along."""
    model.go.clear()
    model.held.clear()
    given = [each if isinstance(each, tuple) else (each, params) for each in asked]
    with ThreadPoolExecutor(len(asked) + 1) as threads:
        holds = threads.submit(joining.predicted, table(HOLD), None)
        assert model.held.wait(PATIENCE)
        found = [threads.submit(joining.predicted, *each) for each in given]
        model.go.set()
        assert holds.exception() is None
        return [_told(each) for each in found]


def _told(future: Future[Any]) -> Any:
    error = future.exception()
    return error if error is not None else [float(each) for each in future.result()]


def proven(model: Model, most: int = 8) -> Joining:
    """One that is relied on."""
    joining = Joining(model.predict, most)

    def joined() -> bool:
        before = len(model.calls)
        once(model, joining, *(table(float(n)) for n in range(4)))
        return len(model.calls) - before < 4

    until(joined, "it is relied on")
    model.calls.clear()
    return joining


def largest(model: Model) -> int:
    return max(len(rows) for rows in model.calls)


def test_what_comes_during_a_call_is_one_call_and_each_gets_its_own() -> None:
    model = Model()
    joining = proven(model)
    asked = [table(1.0), table(2.0, 3.0), table(4.0), table(5.0)]

    def joined() -> bool:
        model.calls.clear()
        assert once(model, joining, *asked) == [[2.0], [4.0, 6.0], [8.0], [10.0]]
        return largest(model) > 2

    until(joined, "several of them are joined")


def test_until_it_is_proven_each_is_answered_by_a_call_of_its_own() -> None:
    model = Model()
    joining = Joining(model.predict, 8)
    assert once(model, joining, *(table(float(n)) for n in range(4))) == [
        [0.0],
        [2.0],
        [4.0],
        [6.0],
    ]
    assert all([float(n)] in model.calls for n in range(4))


def test_a_bad_request_fails_alone_with_its_own_error() -> None:
    model = Model()
    joining = proven(model)
    bad, *good = once(model, joining, table(BAD), table(1.0), table(2.0), table(3.0))
    assert str(bad) == "1 rows with a bad one"
    assert good == [[2.0], [4.0], [6.0]]
    until(
        lambda: once(model, joining, table(1.0), table(2.0)) and largest(model) > 1, "still joined"
    )


def test_one_that_goes_on_and_on_holds_up_nobody() -> None:
    model = Model()
    joining = proven(model)
    model.go.clear()
    with ThreadPoolExecutor(3) as threads:
        held = []
        for _ in range(2):
            model.held.clear()
            held.append(threads.submit(joining.predicted, table(HOLD), None))
            assert model.held.wait(PATIENCE)
        assert threads.submit(joining.predicted, table(1.0), None).result().tolist() == [2.0]
        assert joining.predicted(table(2.0), None).tolist() == [4.0]
        model.go.set()
        assert [each.result().tolist() for each in held] == [[2 * HOLD]] * 2


@pytest.mark.parametrize("rows", [(STALL, 1.0), (1.0, STALL)])
def test_who_is_joined_with_one_that_goes_on_leaves_it(rows: tuple[float, float]) -> None:
    model = Model()
    joining = proven(model)
    model.go.clear()
    model.held.clear()
    with ThreadPoolExecutor(3) as threads:
        threads.submit(joining.predicted, table(HOLD), None)
        assert model.held.wait(PATIENCE)
        found = {row: threads.submit(joining.predicted, table(row), None) for row in rows}
        model.go.set()
        assert found[1.0].result().tolist() == [2.0]
        assert not found[STALL].done()
        model.goes_on.set()
        assert found[STALL].result().tolist() == [2 * STALL]


@pytest.mark.parametrize(
    "say",
    [
        lambda table: (table["x"] - table["x"].mean()).to_numpy(),
        lambda table: [float(table["x"].sum())],
        lambda table: (table["x"] * 2).tolist() if len(table) == 1 else (),
    ],
    ids=["a mean of all rows", "one sum", "nothing for several rows"],
)
def test_a_model_that_says_something_else_of_several_is_joined_no_more(
    say: Callable[[Any], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    model, told = Model(say), ""
    joining = Joining(model.predict, 8)
    rows = [1.0, 2.0, 3.0, 4.0]

    def is_found_out() -> bool:
        nonlocal told
        assert once(model, joining, *map(table, rows)) == [_single(say, row) for row in rows]
        told += capsys.readouterr().err
        return "not joined any more" in told

    until(is_found_out, "it is found out")
    model.calls.clear()
    for _ in range(3):
        once(model, joining, *map(table, rows))
    assert largest(model) == 1


def _single(say: Callable[[Any], Any], row: float) -> list[float]:
    return [float(value) for value in say(table(row))]


def test_only_what_is_alike_is_joined() -> None:
    model = Model()
    joining = proven(model)
    named = table(1.0)
    named.index = ["first"]
    asked = [
        (table(1.0), {"by": 10}),
        (table(1.0), {"by": 100}),
        table(7),
        pandas.DataFrame({"x": [1.0], "y": [2.0]}),
        named,
        table(),
    ]
    for _ in range(10):
        assert once(model, joining, *asked) == [[20.0], [200.0], [14.0], [2.0], [2.0], []]
    assert largest(model) == 1


def test_no_more_than_allowed_are_joined() -> None:
    model = Model()
    joining = proven(model, most=2)

    def joined() -> bool:
        once(model, joining, *(table(float(n)) for n in range(6)))
        assert largest(model) <= 2
        return largest(model) == 2

    until(joined, "two are joined")
