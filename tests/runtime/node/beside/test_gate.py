"""Requests before a server of the user's own: whose turn it is."""

import asyncio

from runtime.node.beside.gate import Gate
from runtime.node.door.own import Reply
from runtime.node.spec import Serve
from tests.kit.waiting import eventually


class Request:
    """Ends as soon as it begins, where it is `brief`."""

    def __init__(self, gate: Gate, *, brief: bool = False) -> None:
        self.gate = gate
        self.brief = brief
        self.begun = False
        self.refused: Reply | None = None

    def begin(self) -> None:
        self.begun = True
        if self.brief:
            self.gate.leave(failed=True)

    def refuse(self, reply: Reply) -> None:
        self.refused = reply


def gate(queue: int) -> Gate:
    serve = Serve("blue", max_concurrent=1, max_queue=queue, queue_wait_ms=3_600_000)
    return Gate(asyncio.get_running_loop(), serve)


async def test_any_number_that_end_as_they_begin_come_one_after_the_other() -> None:
    one = gate(10_000)
    first = Request(one)
    one.enter(first)
    waiting = [Request(one, brief=True) for _ in range(10_000)]
    for each in waiting:
        one.enter(each)
    over = Request(one)
    one.enter(over)
    assert over.refused is not None
    assert over.refused.status == 429
    one.leave(failed=False)
    await eventually(lambda: waiting[-1].begun, "all have begun")
    load = one.load()
    assert (load["in_flight"], load["queued"]) == (0, 0)
    assert (load["served"], load["failed"]) == (1, 10_000)


async def test_one_that_goes_in_the_moment_of_its_turn_gives_it_to_the_next() -> None:
    one = gate(2)
    first, second, third = (Request(one) for _ in range(3))
    for each in (first, second, third):
        one.enter(each)
    one.leave(failed=False)
    one.forget(second)
    await eventually(lambda: third.begun, "the third has begun")
    assert not second.begun
    assert one.load()["in_flight"] == 1
    one.leave(failed=False)
    assert one.load()["in_flight"] == 0
