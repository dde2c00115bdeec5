import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain import errors
from domain.ports import Message
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.rules.queue_consumer import LockLost, Received
from tests.infra.embedded.killed import killed_when_it_says
from tests.kit.clocks import HeldClock
from tests.kit.waiting import patience

LOCK = timedelta(seconds=30)
Q = "mini-batches"


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def queue(tmp_path: Path, clock: HeldClock) -> AsyncIterator[SqliteWorkQueue]:
    queue = SqliteWorkQueue(tmp_path / "q.db", max_delivery_count=3, dead_letters=5, now=clock.unix)
    yield queue
    await queue.close()


@pytest.fixture
async def real_time(tmp_path: Path) -> AsyncIterator[SqliteWorkQueue]:
    queue = SqliteWorkQueue(tmp_path / "q.db", max_delivery_count=10)
    yield queue
    await queue.close()


async def one(queue: SqliteWorkQueue) -> Received:
    (received,) = await queue.receive(Q, 10, LOCK)
    return received


async def test_a_received_message_is_hidden_until_it_is_completed(
    queue: SqliteWorkQueue, clock: HeldClock
) -> None:
    await queue.send(Q, Message({"n": 1}))
    received = await one(queue)
    assert (received.body, received.delivery_count) == (b'{"n":1}', 1)
    assert received.locked_until - received.enqueued_at == LOCK
    assert received.id == received.properties["message_id"]
    assert await queue.receive(Q, 10, LOCK) == []
    await queue.complete(received.lock_token)
    clock.move(100)
    assert await queue.receive(Q, 10, LOCK) == []


async def test_an_expired_lock_brings_the_message_again(
    queue: SqliteWorkQueue, clock: HeldClock
) -> None:
    await queue.send(Q, Message({"n": 1}))
    first = await one(queue)
    clock.move(30)
    second = await one(queue)
    assert (second.id, second.sequence_number) == (first.id, first.sequence_number)
    assert second.delivery_count == 2
    assert second.lock_token != first.lock_token


async def test_a_lost_lock_settles_nothing(queue: SqliteWorkQueue, clock: HeldClock) -> None:
    await queue.send(Q, Message({"n": 1}))
    first = await one(queue)
    clock.move(30)
    for received_again in (False, True):
        if received_again:
            second = await one(queue)
        with pytest.raises(LockLost):
            await queue.complete(first.lock_token)
        with pytest.raises(LockLost):
            await queue.abandon(first.lock_token)
        with pytest.raises(LockLost):
            await queue.renew(first.lock_token)
        with pytest.raises(LockLost):
            await queue.dead_letter(first.lock_token, "r")
    await queue.complete(second.lock_token)
    with pytest.raises(LockLost):
        await queue.complete(second.lock_token)
    for foreign in ("", "x", "1-", "-", "9" * 40 + "-x"):
        with pytest.raises(LockLost):
            await queue.complete(foreign)


async def test_a_renewed_lock_lasts_longer(queue: SqliteWorkQueue, clock: HeldClock) -> None:
    await queue.send(Q, Message({"n": 1}))
    received = await one(queue)
    clock.move(29)
    until = await queue.renew(received.lock_token)
    assert until.timestamp() == clock.time + 30
    clock.move(29)
    assert await queue.receive(Q, 1, LOCK) == []
    await queue.complete(received.lock_token)


async def test_an_abandoned_message_comes_again_at_once_or_after_its_delay(
    queue: SqliteWorkQueue, clock: HeldClock
) -> None:
    await queue.send(Q, Message({"n": 1}))
    await queue.abandon((await one(queue)).lock_token)
    second = await one(queue)
    assert second.delivery_count == 2
    await queue.abandon(second.lock_token, timedelta(seconds=5))
    assert await queue.receive(Q, 1, LOCK) == []
    clock.move(5)
    assert (await one(queue)).delivery_count == 3


async def test_a_message_delivered_too_often_is_dead_lettered(
    queue: SqliteWorkQueue,
) -> None:
    await queue.send(Q, Message({"n": 1}))
    for count in (1, 2, 3):
        received = await one(queue)
        assert received.delivery_count == count
        await queue.abandon(received.lock_token)
    await queue.send(Q, Message({"n": 2}))
    assert (await one(queue)).body == b'{"n":2}'
    (dead,) = await queue.dead_messages(Q, 0, 9)
    assert (dead.id, dead.body, dead.delivery_count) == (received.id, b'{"n":1}', 3)
    assert dead.reason == "MaxDeliveryCountExceeded"


async def test_spent_messages_do_not_hide_fresh_ones(queue: SqliteWorkQueue) -> None:
    await queue.send(Q, *[Message({"n": n}) for n in range(4)])
    for _ in range(3):
        for received in await queue.receive(Q, 10, LOCK):
            await queue.abandon(received.lock_token)
    await queue.send(Q, Message({"n": "fresh"}))
    (fresh,) = await queue.receive(Q, 1, LOCK)
    assert fresh.body == b'{"n":"fresh"}'
    assert (await queue.counts(Q)).dead_lettered == 4


async def test_a_message_is_dead_lettered_with_its_reason(queue: SqliteWorkQueue) -> None:
    await queue.send(Q, Message({"n": 1}))
    await queue.dead_letter((await one(queue)).lock_token, "BadBody", "what \ud800 it was")
    (dead,) = await queue.dead_messages(Q, 0, 9)
    assert (dead.reason, dead.description) == ("BadBody", "what ? it was")
    assert await queue.receive(Q, 1, LOCK) == []


async def test_only_the_newest_dead_letters_of_a_queue_are_kept(queue: SqliteWorkQueue) -> None:
    await queue.send("other", Message({"n": "other"}))
    for received in await queue.receive("other", 1, LOCK):
        await queue.dead_letter(received.lock_token, "r")
    for n in range(8):
        await queue.send(Q, Message({"n": n}))
        await queue.dead_letter((await one(queue)).lock_token, f"{n}")
    assert [dead.reason for dead in await queue.dead_messages(Q, 0, 9)] == list("34567")
    assert len(await queue.dead_messages("other", 0, 9)) == 1


async def test_counts_tell_the_states_apart(queue: SqliteWorkQueue) -> None:
    await queue.send(Q, *[Message({}) for _ in range(3)], Message({}, timedelta(seconds=9)))
    (received,) = await queue.receive(Q, 1, LOCK)
    counts = await queue.counts(Q)
    assert (counts.active, counts.waiting, counts.locked, counts.dead_lettered) == (2, 2, 1, 0)
    await queue.dead_letter(received.lock_token, "r")
    counts = await queue.counts(Q)
    assert (counts.active, counts.waiting, counts.locked, counts.dead_lettered) == (2, 1, 0, 1)


async def test_a_new_host_need_not_wait_for_a_killed_ones_locks(queue: SqliteWorkQueue) -> None:
    await queue.send(Q, Message({}), Message({}, timedelta(hours=1)))
    await one(queue)
    assert await queue.release_locks() == 1
    assert (await one(queue)).delivery_count == 2


async def test_racing_receivers_never_share_a_message(real_time: SqliteWorkQueue) -> None:
    await real_time.send(Q, *[Message({"n": n}) for n in range(300)])
    taken = await asyncio.gather(*[real_time.receive(Q, 7, LOCK) for _ in range(60)])
    numbers = [received.sequence_number for some in taken for received in some]
    assert len(numbers) == len(set(numbers)) == 300


async def test_waiting_ends_at_once_when_something_is_there(real_time: SqliteWorkQueue) -> None:
    await real_time.send(Q, Message({}))
    async with patience():
        assert await real_time.wait(Q, 3600)


async def test_waiting_ends_at_once_when_something_is_sent(real_time: SqliteWorkQueue) -> None:
    waiting = [asyncio.create_task(real_time.wait(Q, 3600)) for _ in range(3)]
    other = asyncio.create_task(real_time.wait("other", 3600))
    await real_time.counts(Q)
    await real_time.send(Q, Message({}))
    async with patience():
        assert await asyncio.gather(*waiting) == [True] * 3
    assert not other.done()
    other.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await other


async def test_waiting_ends_when_a_delay_or_a_lock_ends(real_time: SqliteWorkQueue) -> None:
    waiting = asyncio.create_task(real_time.wait(Q, 3600))
    await real_time.send(Q, Message({}, timedelta(seconds=0.15)))
    async with patience():
        assert await waiting
        (received,) = await real_time.receive(Q, 1, timedelta(seconds=0.15))
        assert await real_time.wait(Q, 3600)
        (again,) = await real_time.receive(Q, 1, LOCK)
    assert (again.id, again.delivery_count) == (received.id, 2)


async def test_waiting_ends_when_a_message_is_given_back(real_time: SqliteWorkQueue) -> None:
    await real_time.send(Q, Message({}))
    (received,) = await real_time.receive(Q, 1, LOCK)
    waiting = asyncio.create_task(real_time.wait(Q, 3600))
    await real_time.counts(Q)
    await real_time.abandon(received.lock_token)
    async with patience():
        assert await waiting


async def test_waiting_in_vain_ends_in_time(real_time: SqliteWorkQueue) -> None:
    await real_time.send(Q, Message({}, timedelta(hours=1)))
    async with patience():
        assert not await real_time.wait(Q, 0.05)


async def test_closing_ends_all_waiting(tmp_path: Path) -> None:
    queue = SqliteWorkQueue(tmp_path / "q.db", max_delivery_count=10)
    waiting = asyncio.create_task(queue.wait(Q, 3600))
    await queue.counts(Q)
    await queue.close()
    async with patience():
        assert not await waiting


@pytest.mark.parametrize("name", ["", "x" * 261, "a\nb", "ü"])
async def test_a_queue_name_out_of_bounds_is_refused(queue: SqliteWorkQueue, name: str) -> None:
    with pytest.raises(errors.Invalid):
        await queue.send(name, Message({}))


async def test_what_was_sent_or_completed_before_a_kill_stays_so(tmp_path: Path) -> None:
    said = await asyncio.to_thread(
        killed_when_it_says,
        """
        from datetime import timedelta
        from domain.ports import Message
        from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue

        async def main(folder):
            queue = SqliteWorkQueue(folder / "q.db", max_delivery_count=10)
            n = 0
            while True:
                await queue.send("q", Message({"n": n}), Message({"n": n + 1}))
                print("sent", n, flush=True)
                print("sent", n + 1, flush=True)
                for message in await queue.receive("q", 1, timedelta(hours=1)):
                    await queue.complete(message.lock_token)
                    print("completed", message.body.decode()[5:-1], flush=True)
                await queue.receive("q", 1, timedelta(hours=1))
                n += 2
        """,
        tmp_path,
        lines=300,
    )
    sent = {int(line.split()[1]) for line in said if line.startswith("sent")}
    completed = {int(line.split()[1]) for line in said if line.startswith("completed")}
    queue = SqliteWorkQueue(tmp_path / "q.db", max_delivery_count=10)
    await queue.release_locks()
    left = set()
    while received := await queue.receive("q", 100, LOCK):
        left |= {int(message.body[5:-1]) for message in received}
    assert not left & completed
    # One message may be sent, or completed, and not said so.
    assert len(sent - completed - left) <= 1
    await queue.close()
