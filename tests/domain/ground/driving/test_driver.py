"""One process and the messages that take it further, one at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ground.driving import driver
from domain.ground.driving.driver import GRACE, RACES
from domain.ground.driving.fence import Fence
from infra.rules.queue_consumer import Received
from tests.domain.ground.driving.walking import (
    PAUSE,
    Fault,
    Stride,
    WalkStage,
    nothing,
    opened,
    stride_of,
    touch,
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[WalkStage]:
    async with opened(tmp_path) as stage:
        yield stage


async def trail(stage: WalkStage) -> list[int]:
    return list((await stage.walk()).trail)


# -- going on ---------------------------------------------------------------------------------


async def test_each_message_takes_a_step_and_is_followed_by_the_next(stage: WalkStage) -> None:
    await stage.begin(goal=3)
    for taken in ([1], [1, 2], [1, 2, 3]):
        assert await stage.turn() == 1
        assert await trail(stage) == taken
        assert await stage.turn() == 0, "the next comes after a pause"
        stage.clock.move(PAUSE)
    assert await stage.on_its_way() == 0
    assert (await stage.document()).due_at is None
    assert await stage.letters() == {1, 2, 3}


async def test_steps_that_follow_at_once_are_taken_in_one_delivery(stage: WalkStage) -> None:
    await stage.begin(goal=5, quick=(1, 2, 3))
    assert await stage.turn() == 1
    assert await trail(stage) == [1, 2, 3, 4]
    assert (await stage.walk()).tick == 4
    assert await stage.on_its_way() == 1


async def test_a_delivery_does_not_go_on_without_end(
    stage: WalkStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "STRETCH", 0.0)
    await stage.begin(goal=3, quick=(1, 2))
    for taken in ([1], [1, 2], [1, 2, 3]):
        assert await stage.turn() == 1
        assert await trail(stage) == taken


async def test_what_falls_due_late_is_looked_at_by_the_sweep_alone(stage: WalkStage) -> None:
    stage.walking.by_message = False
    await stage.begin(goal=2)
    await stage.turn()
    assert await stage.on_its_way() == 0
    assert (await stage.document()).due_at == stage.clock.unix() + PAUSE
    stage.clock.move(PAUSE)
    assert await stage.sweeping.sweep() == 1
    await stage.turn()
    assert await trail(stage) == [1, 2]


async def test_a_message_for_what_is_gone_does_nothing(stage: WalkStage) -> None:
    await stage.driving.go_on(Stride(walk="never was", chain=0), redelivered=True)
    assert stage.walking.looks == []
    assert stage.queue.sent == []


# -- twice, late, out of order ----------------------------------------------------------------


async def test_a_message_that_comes_twice_takes_one_step(stage: WalkStage) -> None:
    await stage.begin()
    message = await stage.take()
    await stage.hand(message)
    await stage.hand(message)
    assert await trail(stage) == [1]
    assert await stage.on_its_way() == 2, "itself, and one that follows"


async def test_two_at_the_same_moment_save_one_step_and_end_as_one(stage: WalkStage) -> None:
    await stage.begin(goal=9)
    message = await stage.take()
    both = asyncio.Barrier(2)

    async def together() -> None:
        if len(stage.walking.looks) <= 2:
            await both.wait()

    stage.walking.meanwhile = together
    await asyncio.gather(stage.hand(message), stage.hand(message))
    await stage.queue.queue.complete(message.lock_token)
    assert await trail(stage) == [1]
    while (await stage.document()).due_at is not None:
        await stage.turn()
        stage.clock.move(PAUSE / 2)
        assert await stage.on_its_way() <= 2
    assert await trail(stage) == list(range(1, 10))


@pytest.mark.parametrize("redelivered", [False, True])
async def test_a_message_of_a_chain_that_was_taken_over_does_nothing(
    stage: WalkStage, redelivered: bool
) -> None:
    await stage.begin()
    late = await stage.take()
    stage.clock.move(GRACE)
    assert await stage.sweeping.sweep() == 1
    await stage.hand(late, redelivered=redelivered)
    assert stage.walking.looks == []
    assert [m.body["chain"] for queue, m in stage.queue.sent if queue == "walks"] == [0, 1]


async def test_a_message_that_comes_after_all_others_does_nothing(stage: WalkStage) -> None:
    await stage.begin(goal=4)
    late = await stage.take()
    await stage.hand(late)
    stage.clock.move(PAUSE)
    await stage.turn()
    looks, sent = len(stage.walking.looks), len(stage.queue.sent)
    await stage.hand(late)
    assert (len(stage.walking.looks), len(stage.queue.sent)) == (looks, sent)


async def test_a_message_that_is_ahead_of_its_document_does_nothing(stage: WalkStage) -> None:
    await stage.begin()
    for fence in (Fence(0, 3), Fence(7, 0)):
        ahead = Stride(walk="w", chain=fence.chain, tick=fence.tick or 0)
        await stage.driving.go_on(ahead, redelivered=True)
    assert stage.walking.looks == []


# -- what is left unsent ----------------------------------------------------------------------


@pytest.mark.parametrize("quick", [(), (1,), (1, 2, 3)])
async def test_a_message_whose_successor_was_not_sent_sends_it_when_it_comes_again(
    stage: WalkStage, quick: tuple[int, ...]
) -> None:
    await stage.begin(goal=9, quick=quick)
    message = await stage.take()
    steps = len(quick) + 1
    stage.queue.faults = [None] * steps + [Fault.REFUSED]  # After as many letters.
    assert not await stage.deliver(message)
    assert await stage.on_its_way() == 1, "the message itself"
    stage.clock.move(1)
    assert await stage.turn() == 1
    assert await trail(stage) == list(range(1, steps + 1)), "however many steps it had taken"
    assert await stage.turn() == 1, "at once: for how long it has waited nobody knows"
    assert await trail(stage) == list(range(1, steps + 2))


async def test_what_a_step_could_not_send_the_next_look_is_told_of(stage: WalkStage) -> None:
    await stage.begin(goal=9)
    stage.queue.faults = [Fault.REFUSED]
    assert not await stage.deliver(await stage.take())
    assert await stage.letters() == set()
    stage.clock.move(1)
    await stage.turn()
    await stage.turn()
    assert await stage.letters() == {1, 2}


async def test_the_last_step_is_looked_back_at_too(stage: WalkStage) -> None:
    await stage.begin(goal=1)
    stage.queue.faults = [Fault.REFUSED]
    assert not await stage.deliver(await stage.take())
    assert (await stage.document()).due_at is None
    stage.clock.move(1)
    await stage.turn()
    await stage.turn()
    assert await stage.letters() == {1}
    assert await stage.on_its_way() == 0


@pytest.mark.parametrize("fault", [Fault.MET_ITSELF, Fault.LOST, Fault.REFUSED])
async def test_a_lost_answer_breaks_no_chain(stage: WalkStage, fault: Fault) -> None:
    await stage.begin(goal=4)
    stage.store.faults = [fault]
    while (await stage.document()).due_at is not None:
        assert await stage.on_its_way() > 0, "nobody has to wait for the sweep"
        await stage.turn()
        stage.clock.move(1)
    assert await trail(stage) == [1, 2, 3, 4]
    assert await stage.letters() == {1, 2, 3, 4}


# -- races ------------------------------------------------------------------------------------


async def test_a_look_begins_anew_when_others_have_written_meanwhile(stage: WalkStage) -> None:
    await stage.begin()
    stage.store.faults = [Fault.RACE] * 5
    assert await stage.deliver(await stage.take())
    assert len(stage.walking.looks) == 6
    assert await trail(stage) == [1]


async def test_a_look_that_finds_no_turn_goes_back_to_its_queue(stage: WalkStage) -> None:
    await stage.begin()
    message = await stage.take()
    stage.store.faults = [Fault.RACE] * (RACES + 1)
    with pytest.raises(Unavailable):
        await stage.hand(message)
    assert await trail(stage) == []
    await stage.hand(message, redelivered=True)
    assert await trail(stage) == [1]


async def test_what_others_took_over_while_a_step_was_taken_is_theirs(stage: WalkStage) -> None:
    await stage.begin()
    message = await stage.take()

    async def taken_over() -> None:
        stage.walking.meanwhile = nothing
        await stage.driving.resume(await stage.document())

    stage.walking.meanwhile = taken_over
    await stage.hand(message)
    assert await trail(stage) == []
    assert stride_of(await stage.take()).chain == 1


# -- the sweep --------------------------------------------------------------------------------


async def test_the_sweep_takes_over_when_a_message_is_lost(stage: WalkStage) -> None:
    await stage.begin(goal=2)
    await stage.turn()
    stage.clock.move(PAUSE)
    await stage.queue.queue.complete((await stage.take()).lock_token)
    stage.clock.move(GRACE - 0.1)
    assert await stage.sweeping.sweep() == 0, "it may only be late"
    stage.clock.move(0.1)
    assert await stage.sweeping.sweep() == 1
    assert await stage.sweeping.sweep() == 0, "once in a grace"
    [message] = await stage.receive()
    assert stride_of(message) == Stride(walk="w", chain=1, tick=0, unsent=True)
    await stage.deliver(message)
    assert await trail(stage) == [1, 2]


async def test_the_sweep_takes_over_again_when_its_own_message_is_lost(stage: WalkStage) -> None:
    await stage.begin(goal=1)
    await stage.queue.queue.complete((await stage.take()).lock_token)
    for chain in (1, 2, 3):
        stage.clock.move(GRACE)
        stage.queue.faults = [Fault.REFUSED]
        assert await stage.sweeping.sweep() == 0, "it could not send"
        assert (await stage.walk()).chain == chain
    stage.clock.move(GRACE)
    assert await stage.sweeping.sweep() == 1
    await stage.turn()
    assert await trail(stage) == [1]


async def test_a_look_that_may_take_long_has_a_lease_of_its_own(stage: WalkStage) -> None:
    stage.walking.lease = 900.0
    await stage.begin()
    await stage.turn()
    assert (await stage.document()).due_at == stage.clock.unix() + PAUSE + 900


async def test_an_ended_process_is_left_alone(stage: WalkStage) -> None:
    await stage.begin(goal=1)
    await stage.turn()
    stage.clock.move(100 * GRACE)
    assert await stage.sweeping.sweep() == 0


# -- nudges -----------------------------------------------------------------------------------


NUDGE = Stride(walk="w")


async def test_a_nudge_that_changes_something_takes_over(stage: WalkStage) -> None:
    await stage.begin()
    before = await stage.take()
    await stage.driving.go_on(NUDGE)
    assert ((await stage.walk()).chain, await trail(stage)) == (1, [1])
    await stage.hand(before)
    assert await trail(stage) == [1], "the chain before has ended"
    stage.clock.move(PAUSE)
    await stage.turn()
    assert await trail(stage) == [1, 2]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_nudge_that_changes_nothing_leaves_the_chain_alone(
    stage: WalkStage, ended: bool
) -> None:
    await stage.begin(goal=0)
    stage.walking.rests = not ended
    await stage.turn()
    writes, sent = stage.store.writes, len(stage.queue.sent)
    await stage.driving.go_on(NUDGE)
    assert (stage.store.writes, len(stage.queue.sent)) == (writes, sent)
    assert len(stage.walking.looks) == 2


async def test_a_nudge_takes_over_a_chain_that_is_late(stage: WalkStage) -> None:
    stage.walking.rests = True
    await stage.begin()
    await stage.turn()
    await stage.queue.queue.complete((await later(stage, PAUSE)).lock_token)
    stage.clock.move(GRACE / 2 + 1)
    await stage.driving.go_on(NUDGE)
    assert (await stage.walk()).chain == 1
    assert stride_of(await later(stage, PAUSE)).chain == 1


async def test_a_nudge_that_comes_again_takes_over_whatever_it_finds(stage: WalkStage) -> None:
    await stage.begin()
    await stage.queue.queue.complete((await stage.take()).lock_token)
    stage.queue.faults = [None, Fault.REFUSED]
    with pytest.raises(Unavailable):
        await stage.driving.go_on(NUDGE)
    assert ((await stage.walk()).chain, await stage.on_its_way()) == (1, 0)
    stage.walking.rests = True
    await stage.driving.go_on(NUDGE)
    assert await stage.on_its_way() == 0, "it knows nothing of the one before"
    await stage.driving.go_on(NUDGE, redelivered=True)
    assert stride_of(await later(stage, PAUSE)).chain == 2


async def later(stage: WalkStage, seconds: float) -> Received:
    stage.clock.move(seconds)
    return await stage.take()


async def test_an_etag_that_moves_alone_is_nobodys_turn(stage: WalkStage) -> None:
    await stage.begin(goal=1)
    await touch(stage.store, "w", "walk")
    await stage.turn()
    assert await trail(stage) == [1]
