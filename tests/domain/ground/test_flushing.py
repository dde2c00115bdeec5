"""When what was gathered is kept."""

import asyncio

from domain.ground.flushing import Flushing
from tests.kit.waiting import PATIENCE, eventually


class Gathered:
    """Flushed as long as something is left; `may_end` lets a flush end."""

    def __init__(self) -> None:
        self.left = True
        self.flushes = 0
        self.may_end = asyncio.Event()
        self.flushing = Flushing(self.flush, lambda: self.left, period=0.001)

    async def flush(self) -> None:
        self.flushes += 1
        async with asyncio.timeout(PATIENCE):
            await self.may_end.wait()


async def test_it_goes_on_for_as_long_as_something_is_left() -> None:
    one = Gathered()
    one.may_end.set()
    one.flushing.ask()
    await eventually(lambda: one.flushes > 2, "it is flushed again")
    one.left = False
    await one.flushing.end()


async def test_after_its_end_nothing_begins_whatever_is_left() -> None:
    one, later = Gathered(), Gathered()
    one.flushing.ask()
    await eventually(lambda: one.flushes == 1, "a flush is under way")
    ending = asyncio.create_task(one.flushing.end())
    one.may_end.set()
    await ending
    one.flushing.ask()
    later.left = False
    later.may_end.set()
    later.flushing.ask()
    await eventually(lambda: later.flushes == 1, "a timer that was set later has rung")
    assert one.flushes == 1
    await later.flushing.end()
