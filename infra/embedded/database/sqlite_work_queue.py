"""The WorkQueue port on one SQLite file, and the consumer's side of it for the host.

The consumer's side is Service Bus's peek-lock: a received message is hidden for its lock's
duration; unless it is completed by then it comes again with a higher delivery count, and
after the last allowed delivery it goes to the dead letters.
"""

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from opentelemetry import propagate

from domain import errors
from domain.ports import DeadLetterQueues, DeadMessage, Message, WorkQueue
from infra.embedded.database import work_queue_tables as tables
from infra.embedded.database.sqlite import Database
from infra.embedded.database.wakeups import Wakeups
from infra.embedded.database.work_queue_records import QueueCounts
from infra.rules.message_bodies import check_queue, encoded, properties
from infra.rules.queue_consumer import LockLost, QueueConsumer, Received

_SENT_AT_ONCE = 1000
_RECEIVED_AT_ONCE = 500
_DEAD_LETTERS = 10_000
_LISTED_AT_ONCE = 250


class SqliteWorkQueue(WorkQueue, QueueConsumer, DeadLetterQueues):
    """Queues in `path`; a queue is there once something is sent to it. `now` gives Unix
    seconds. Of each queue's dead letters the newest `dead_letters` are kept."""

    def __init__(
        self,
        path: Path,
        *,
        max_delivery_count: int,
        dead_letters: int = _DEAD_LETTERS,
        now: Callable[[], float] = time.time,
        wait: float = 30.0,
    ) -> None:
        self._database = Database(path, tables.SCHEMA, wait=wait)
        self._max_delivery_count = max_delivery_count
        self._dead_letters = dead_letters
        self._now = now
        self._wakeups = Wakeups()
        self._next: dict[str, float | None] = {}
        """By queue, when its first message may be received, as the last `receive` saw it and
        this process has changed it since: whoever waits need not ask the disk."""

    async def close(self) -> None:
        """Those who wait are told that nothing came."""
        self._wakeups.close()
        await self._database.close()

    async def send(self, queue: str, *messages: Message) -> None:
        check_queue(queue)
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        now = self._now()
        rows = [
            (
                queue,
                now + max(0.0, message.delay.total_seconds()),
                encoded(message),
                json.dumps({"message_id": uuid.uuid4().hex, **properties(queue, message, carrier)}),
                now,
            )
            for message in messages
        ]
        for start in range(0, len(rows), _SENT_AT_ONCE):
            some = rows[start : start + _SENT_AT_ONCE]
            await self._database.write(partial(tables.insert, rows=some))
            self._tell(queue, min(row[1] for row in some))

    async def receive(
        self, queue: str, max_count: int, lock_duration: timedelta
    ) -> Sequence[Received]:
        """Lock up to `max_count` messages (500 at most) that may be received now; never
        waits. One delivered too often before is dead-lettered instead."""
        check_queue(queue)
        limit = min(max_count, _RECEIVED_AT_ONCE)
        if limit < 1:
            return []
        seconds = lock_duration.total_seconds()
        if seconds <= 0:
            raise errors.Invalid("A lock must last some time.")

        def take(connection: sqlite3.Connection) -> tuple[list[Received], float | None]:
            now = self._now()
            most, keep = self._max_delivery_count, self._dead_letters
            while tables.bury_spent(connection, queue, limit, now, most, keep):
                pass
            taken = tables.take(connection, queue, limit, now, seconds)
            return taken, tables.next_at(connection, queue)

        # What is sent after this transaction is told after its answer has come: in order.
        taken, self._next[queue] = await self._database.write(take)
        return taken

    async def complete(self, lock: str) -> None:
        """The message is done and gone. Raises LockLost."""
        if not await self._database.write(lambda db: tables.remove(db, lock, self._now())):
            raise LockLost

    async def abandon(self, lock: str, delay: timedelta = timedelta(0)) -> None:
        """Give the message back, to come again after `delay`. Raises LockLost."""

        def give_back(connection: sqlite3.Connection) -> tuple[str, float]:
            now = self._now()
            number, queue, _ = _held(connection, lock, now)
            visible_at = now + max(0.0, delay.total_seconds())
            tables.give_back(connection, number, visible_at)
            return queue, visible_at

        queue, visible_at = await self._database.write(give_back)
        self._tell(queue, visible_at)

    async def renew(self, lock: str) -> datetime:
        """Start the lock's duration anew and return its end. Raises LockLost."""

        def prolong(connection: sqlite3.Connection) -> float:
            now = self._now()
            number, _, seconds = _held(connection, lock, now)
            tables.prolong(connection, number, now + seconds)
            return now + seconds

        return datetime.fromtimestamp(await self._database.write(prolong), UTC)

    async def dead_letter(self, lock: str, reason: str, description: str = "") -> None:
        """Put the message aside, with why. Raises LockLost."""

        def put_aside(connection: sqlite3.Connection) -> None:
            now = self._now()
            number, _, _ = _held(connection, lock, now)
            tables.bury(connection, number, now, reason, description, self._dead_letters)

        await self._database.write(put_aside)

    async def wait(self, queue: str, timeout: float) -> bool:
        """Return True as soon as a message may be receivable: at once if one is, else when
        one is sent or given back, or when a delay or lock ends. False after `timeout`
        seconds. Nothing is polled meanwhile."""
        check_queue(queue)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        with self._wakeups.waiter(queue) as waiter:
            at = self._next[queue] if queue in self._next else await self._next_at(queue)
            while True:
                now = self._now()
                if at is not None and at <= now:
                    return True
                left = deadline - loop.time()
                if left <= 0 or waiter.closed:
                    return False
                told = await waiter.wait(left if at is None else min(left, at - now))
                if told is not None:
                    at = told if at is None else min(at, told)
                elif at is not None and at <= self._now():
                    # Its holder may have settled it, or renewed its lock, meanwhile.
                    at = await self._next_at(queue)

    async def release_locks(self) -> int:
        """Make every locked message receivable now. For a host that starts and knows that
        no other uses these queues: what a killed one held need not wait for its locks."""
        now = self._now()
        released = await self._database.write(partial(tables.release_all, now=now))
        self.look_again()
        return released

    def look_again(self) -> None:
        """Another process may have sent something: those who wait look."""
        self._next.clear()
        self._wakeups.wake_all(self._now())

    async def dead_messages(self, queue: str, after: int, limit: int) -> Sequence[DeadMessage]:
        check_queue(queue)
        most = min(limit, _LISTED_AT_ONCE)
        return await self._database.read(
            partial(tables.dead_messages, queue=queue, after=after, limit=most)
        )

    async def replay(self, queue: str, numbers: Collection[int]) -> int:
        check_queue(queue)
        now = self._now()
        found = await self._database.write(
            lambda connection: tables.unbury(connection, queue, numbers, now)
        )
        if found:
            self._tell(queue, now)
        return found

    async def discard(self, queue: str, numbers: Collection[int]) -> int:
        check_queue(queue)
        return await self._database.write(
            lambda connection: tables.discard(connection, queue, numbers)
        )

    async def counts(self, queue: str) -> QueueCounts:
        now = self._now()
        return await self._database.read(partial(tables.count, queue=queue, now=now))

    def _tell(self, queue: str, at: float) -> None:
        if queue in self._next:
            known = self._next[queue]
            self._next[queue] = at if known is None else min(at, known)
        self._wakeups.wake(queue, at)

    async def _next_at(self, queue: str) -> float | None:
        return await self._database.read(partial(tables.next_at, queue=queue))


def _held(connection: sqlite3.Connection, lock: str, now: float) -> tuple[int, str, float]:
    found = tables.held(connection, lock, now)
    if found is None:
        raise LockLost
    return found
