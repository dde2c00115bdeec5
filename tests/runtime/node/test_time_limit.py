"""Waiting no longer than a time: whoever is cancelled is cancelled."""

import asyncio
import contextlib

import pytest

from runtime.node.time_limit import within


async def watch(changes: "asyncio.Queue[asyncio.Future[None]]") -> None:
    """Until it is cancelled, as watches of processes are."""
    while True:
        change = asyncio.get_running_loop().create_future()
        changes.put_nowait(change)
        with contextlib.suppress(asyncio.TimeoutError):
            await within(change, 60)


async def test_a_watch_ends_though_what_it_waits_for_comes_with_its_end() -> None:
    changes: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
    watching = asyncio.create_task(watch(changes))
    change = await changes.get()
    change.set_result(None)
    watching.cancel()
    await asyncio.wait(
        {watching, asyncio.create_task(changes.get())}, return_when="FIRST_COMPLETED"
    )
    assert watching.cancelled()


async def test_what_has_taken_too_long_has_ended() -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    async def work() -> None:
        try:
            await loop.create_future()
        finally:
            ended.set_result(None)

    with pytest.raises(asyncio.TimeoutError):
        await within(work(), 0.001)
    assert ended.done()


async def test_it_gives_what_comes_in_time() -> None:
    async def work() -> str:
        return "done"

    async def fault() -> str:
        raise KeyError("a fault")

    assert await within(work(), 60) == "done"
    with pytest.raises(KeyError):
        await within(fault(), 60)
