"""Who takes the next request: the worker at hand while runs are brief, else one for each."""

import asyncio
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from runtime.server.exchange import Request
from runtime.server.http1 import Head
from runtime.server.turns import PATIENCE, Turns
from tests.kit.waiting import eventually

Bell = SimpleQueue[Request | None]
WAITED = (0.0001, 0.02)
BRIEF = (0.0001, 0.0)


class Stage:
    """Turns with a clock that is moved by hand, and workers that fall idle by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time = 100.0
        self.turns = Turns(loop, lambda: self.time)

    def idle(self) -> Bell:
        """A worker that waits, as its thread does after the last request there is."""
        worker = _Idle()
        with pytest.raises(_Waits):
            self.turns.take(None, worker)
        return worker

    def put(self) -> Request:
        request = Request(Head(b"POST /score HTTP/1.1\r\nhost: x"), b"", _NOBODY)
        self.turns.put(request)
        return request

    def ended(self, run: tuple[float, float], times: int) -> None:
        for _ in range(times):
            self.turns.ended(*run)


class _Waits(Exception):
    pass


class _Idle(Bell):
    """Says when its worker would wait, in place of waiting."""

    def get(self, block: bool = True, timeout: float | None = None) -> Request | None:
        if self.empty():
            raise _Waits
        return super().get(block, timeout)


_NOBODY: Any = None


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def stage(loop: asyncio.AbstractEventLoop) -> Stage:
    return Stage(loop)


def test_brief_requests_that_come_together_are_left_to_one_worker_in_their_order(
    stage: Stage,
) -> None:
    other, at_hand = stage.idle(), stage.idle()
    first, second, third = stage.put(), stage.put(), stage.put()
    assert at_hand.get() is first
    assert other.empty()
    assert stage.turns.take(first, at_hand) is second
    assert stage.turns.take(second, at_hand) is third


def test_the_worker_that_fell_idle_last_is_woken(stage: Stage) -> None:
    cold, warm = stage.idle(), stage.idle()
    stage.put()
    assert cold.empty()
    assert not warm.empty()


def test_a_worker_is_woken_when_the_one_at_hand_has_been_at_it_for_long(stage: Stage) -> None:
    other, at_hand = stage.idle(), stage.idle()
    stage.put()
    stage.time += 2 * PATIENCE
    second = stage.put()
    assert not at_hand.empty()
    assert other.get() is second


def test_what_was_left_behind_goes_to_other_workers_when_the_one_at_hand_gets_stuck(
    stage: Stage, loop: asyncio.AbstractEventLoop
) -> None:
    bells = [stage.idle() for _ in range(4)]
    put = [stage.put() for _ in range(4)]

    async def all_woken() -> None:
        await eventually(lambda: not any(bell.empty() for bell in bells), "all are woken")

    loop.run_until_complete(all_woken())
    assert [bell.get() for bell in reversed(bells)] == put


def test_every_request_has_a_worker_of_its_own_where_runs_wait(stage: Stage) -> None:
    bells = [stage.idle() for _ in range(3)]
    stage.ended(WAITED, times=16)
    for _ in bells:
        stage.put()
    assert not stage.turns.brief
    assert not any(bell.empty() for bell in bells)


def test_one_slow_run_among_brief_ones_changes_nothing(stage: Stage) -> None:
    for _ in range(20):
        stage.ended(WAITED, times=1)
        stage.ended(BRIEF, times=9)
    assert stage.turns.brief


def test_runs_that_became_brief_are_found_out_after_a_while(stage: Stage) -> None:
    for _ in range(6):
        stage.idle()
    stage.ended(WAITED, times=16)
    stage.put()
    assert not stage.turns.brief
    stage.time += 1.0
    stage.put()
    assert stage.turns.brief
    stage.ended(WAITED, times=4)
    stage.time += 1.0
    stage.put()
    assert not stage.turns.brief, "the second try comes later"
    stage.time += 1.0
    stage.put()
    stage.ended(BRIEF, times=40)
    assert stage.turns.brief


def test_a_request_whose_client_went_is_taken_by_nobody(stage: Stage) -> None:
    bell = stage.idle()
    first, gone, third = stage.put(), stage.put(), stage.put()
    assert stage.turns.remove(gone)
    assert not stage.turns.remove(gone)
    assert bell.get() is first
    assert stage.turns.take(first, bell) is third


def test_at_the_end_what_is_left_is_taken_and_then_every_worker_leaves(stage: Stage) -> None:
    idle, busy = stage.idle(), stage.idle()
    first, second = stage.put(), stage.put()
    stage.turns.close()
    assert idle.get() is None
    assert busy.get() is first
    assert stage.turns.take(first, busy) is second
    assert stage.turns.take(second, busy) is None
