"""Callers that leave, stall or are slow, and a host that stops meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from domain.ports import Break, BrokenOff, ScoringRequest, ScoringResponse
from handlers.data import caller
from handlers.data.caller import Caller
from tests.handlers.data.scoring_door import SCORE, Stage, drain
from tests.kit.scorers import says
from tests.kit.waiting import PATIENCE, eventually


async def test_a_caller_that_leaves_while_the_model_works_ends_the_work(stage: Stage) -> None:
    working, given_up = asyncio.Event(), asyncio.Event()

    async def work(request: ScoringRequest) -> ScoringResponse:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError("unreachable")

    stage.answers_with(work)
    async with stage.connection() as (_, writer):
        writer.write(stage.head("Content-Length: 4") + b"body")
        await asyncio.wait_for(working.wait(), PATIENCE)
    await asyncio.wait_for(given_up.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


async def test_a_caller_that_leaves_in_its_body_ends_the_request(stage: Stage) -> None:
    begun = asyncio.Event()

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        async for _ in request.body:
            begun.set()
        raise AssertionError("the body never ended")

    stage.answers_with(take)
    async with stage.connection() as (_, writer):
        writer.write(stage.head("Content-Length: 100000") + b"x" * 1000)
        await asyncio.wait_for(begun.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


async def test_a_caller_that_leaves_a_streamed_answer_closes_it(stage: Stage) -> None:
    closed = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0)
        finally:
            closed.set()

    stage.scorer.script = lambda instance, request: says(body=events())
    async with stage.connection() as (reader, writer):
        writer.write(stage.head("Content-Length: 1") + b"x")
        await asyncio.wait_for(reader.readuntil(b"tick\n"), PATIENCE)
    await asyncio.wait_for(closed.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


@pytest.mark.parametrize("length", [4, 100_000])
async def test_a_caller_that_stops_in_its_body_is_408(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(caller, "STALL_LIMIT", 0.05)
    stage.answers_with(drain)
    async with stage.connection() as (reader, writer):
        writer.write(stage.head(f"Content-Length: {length}") + b"bo")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 408 ")
    assert stage.under_way == 0


def is_watched() -> bool:
    """Whether somebody waits for the caller to leave."""
    return caller.WATCH in (task.get_name() for task in asyncio.all_tasks())


async def test_a_slow_answer_comes_through_though_the_caller_is_watched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LOOK_AFTER", 0.001)

    async def slow(request: ScoringRequest) -> ScoringResponse:
        await eventually(is_watched, "the caller is watched")
        await asyncio.sleep(0)
        return says(body=b"slow")

    stage.answers_with(slow)
    for _ in range(3):  # on one connection: nothing of a watch may outlive its request
        assert (await stage.client.post(SCORE, content=b"x")).content == b"slow"
        assert (await stage.client.get(SCORE)).content == b"slow"
    assert {record.code for record in stage.records} == {200}


async def test_a_host_that_stops_cancels_a_request_as_ever(stage: Stage) -> None:
    async def receive() -> None:
        await asyncio.Event().wait()

    async def wait() -> None:
        with Caller(receive, announces_body=False, admitted=None):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_streamed_answer_that_breaks_off_cuts_the_connection(stage: Stage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise BrokenOff(Break.INSTANCE_LOST, "gone")

    stage.scorer.script = lambda instance, request: says(body=pieces())
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.client.post(SCORE)
    assert stage.under_way == 0
