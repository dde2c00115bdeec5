"""`python -m tests.chaos.mischief ...`: the embedded host, over a disk and a database that fail
now and then, with a queue that doubles, delays and reorders.

The faults lie under the adapters: a transaction or a piece of file work fails before it is done,
or is done and its answer is lost; a document has just been written by somebody else; a message
is stored twice, or late. They come only while the file `mischief` is in the data folder; the seed
in it decides which.
"""

import dataclasses
import errno
import random
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.errors import Unavailable
from domain.jobs.records.job_times import JobTimes
from domain.ports import Document, Message, Replace, Write
from infra.embedded import command
from infra.embedded.database.sqlite import Database
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.embedded.disk import Disk
from infra.embedded.host.queue_delivery import Listening

FILE = "mischief"

FAULT = 0.004
"""Of each transaction, and each piece of file work: to fail, one way or the other."""
CONFLICT = 0.03
DOUBLED = 0.1
DELAYED = 0.15
LONGEST_DELAY = 1.0
LOCK = timedelta(seconds=3)
"""Of a message, and of a unit that was sent: what got lost comes again after it."""


class Dice:
    """Thrown only while the file is there."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE
        self._random: random.Random | None = None

    def shows(self, probability: float) -> bool:
        try:
            seed = self._file.read_text()
        except FileNotFoundError:
            self._random = None
            return False
        if self._random is None:
            self._random = random.Random(seed)
        return self._random.random() < probability

    def delay(self) -> float:
        assert self._random is not None
        return self._random.uniform(0, LONGEST_DELAY)


def strike(dice: Dice) -> None:
    """Put the faults under this process's adapters."""
    _databases(dice)
    _files(dice)
    _conflicts(dice)
    _messages(dice)
    _hurry()


def _hurry() -> None:
    """What comes again after a while does so after seconds, so that many runs can be made."""
    for kind, shorter in (
        (Listening, {"lock": LOCK}),
        (
            JobTimes,
            {
                "release_lease": LOCK.total_seconds(),
                "grace": LOCK.total_seconds(),
                # Units are bundled by how many there are, however slow the machine.
                "bundle_seconds": 2.0,
                "bundle_limit": 4.0,
            },
        ),
    ):
        made: Any = kind.__init__
        made.__defaults__ = tuple(
            shorter.get(field.name, default)
            for field, default in zip(
                [f for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING],
                made.__defaults__,
                strict=True,
            )
        )


def _databases(dice: Dice) -> None:
    def failing(submit: Any) -> Any:
        async def submitted(self: Database, operation: Callable[..., Any]) -> Any:
            if dice.shows(FAULT / 2):
                raise Unavailable("disk I/O error")
            result = await submit(self, operation)
            if dice.shows(FAULT / 2):
                raise Unavailable("disk I/O error")
            return result

        return submitted

    Database.write = failing(Database.write)  # type: ignore[method-assign]
    Database.read = failing(Database.read)  # type: ignore[method-assign]


def _files(dice: Dice) -> None:
    run: Any = Disk.run

    async def ran(self: Any, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        before, after = dice.shows(FAULT / 2), dice.shows(FAULT / 2)

        def failing(*args: Any, **kwargs: Any) -> Any:
            if before:
                raise OSError(errno.EIO, "Input/output error")
            result = work(*args, **kwargs)
            if after:
                raise OSError(errno.EIO, "Input/output error")
            return result

        return await run(self, failing if before or after else work, *args, **kwargs)

    Disk.run = ran  # type: ignore[method-assign]


def _conflicts(dice: Dice) -> None:
    transact = SqliteResourceStore.transact

    async def conflicting(
        self: SqliteResourceStore, partition: str, writes: Sequence[Write]
    ) -> Sequence[Document]:
        for write in writes:
            if isinstance(write, Replace) and write.etag is not None and dice.shows(CONFLICT):
                found = await self.get(partition, write.id)
                again = Replace(write.id, found.body, found.etag, due_at=found.due_at)
                await transact(self, partition, [again])
        return await transact(self, partition, writes)

    SqliteResourceStore.transact = conflicting  # type: ignore[method-assign]


def _messages(dice: Dice) -> None:
    send = SqliteWorkQueue.send

    async def mischievous(self: SqliteWorkQueue, queue: str, *messages: Message) -> None:
        sent: list[Message] = []
        for message in messages:
            for _ in range(1 + dice.shows(DOUBLED)):
                late = dice.delay() if dice.shows(DELAYED) else 0.0
                sent.append(Message(message.body, message.delay + timedelta(seconds=late)))
        await send(self, queue, *sent)

    SqliteWorkQueue.send = mischievous  # type: ignore[method-assign]


def main() -> int:
    given = sys.argv[1:]
    strike(Dice(Path(given[given.index("--data-dir") + 1])))
    return command.main(given)


if __name__ == "__main__":
    sys.exit(main())
