"""SQLite off the event loop.

One thread writes and two read, each with a connection of its own (WAL), so that a read never
waits for a write. An operation is a function of the connection and makes one hop there and
back. Writes that arrive together share one commit, each behind a savepoint of its own: one
that raises undoes only itself.

Commits are `synchronous=NORMAL`: what was acknowledged survives the death of the process
(SIGKILL included); a power failure may lose the last commits, and never tears one.
"""

import asyncio
import contextlib
import errno
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from domain import errors

T = TypeVar("T")

Operation = Callable[[sqlite3.Connection], T]
"""Touches nothing but the database: it may be run a second time if a shared commit fails."""

_SHARED_COMMIT = 256
_PENDING = 20_000
_READERS = 2
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(slots=True)
class _Job:
    operation: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any]"


@dataclass(slots=True)
class _Outcome:
    job: _Job
    result: Any = None
    error: BaseException | None = None


class Database:
    """A SQLite file, opened (and made) at its first operation.

    `wait` seconds bound every operation; one that has not begun by then is not run.
    """

    def __init__(self, path: Path, schema: str, *, version: int = 1, wait: float = 30.0) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self.wait = wait
        self._opening = threading.Lock()
        self._writes: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: list[threading.Thread] = []
        self._closed = False

    async def write(self, operation: Operation[T]) -> T:
        """Run `operation` in a transaction and return once it is committed. What it raises
        undoes it. Raises StorageFull, Unavailable, Throttled."""
        if self._writer is None:
            self._writer = self._start(self._writes, self._write_together, "writer")
        return await self._submit(self._writes, operation)

    async def read(self, operation: Operation[T]) -> T:
        """Run `operation`, which changes nothing; it sees every acknowledged write."""
        if not self._readers:
            self._readers = [
                self._start(self._reads, self._read_each, f"reader-{n}") for n in range(_READERS)
            ]
        return await self._submit(self._reads, operation)

    async def close(self) -> None:
        """Finish what was submitted, then close: readers first, so that the writer's
        connection is the last and folds the log back into the file."""
        if self._closed:
            return
        self._closed = True
        for _ in self._readers:
            self._reads.put(None)
        await asyncio.to_thread(_join, self._readers, self.wait)
        if self._writer is not None:
            self._writes.put(None)
            await asyncio.to_thread(_join, [self._writer], self.wait)

    async def _submit(self, jobs: "queue.SimpleQueue[_Job | None]", operation: Operation[T]) -> T:
        if self._closed:
            raise errors.Unavailable(f"The store {self._path.name} is closed.")
        if jobs.qsize() >= _PENDING:
            raise errors.Throttled(f"{_PENDING} operations wait for {self._path.name} already.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        jobs.put(_Job(operation, loop, answer))
        try:
            async with asyncio.timeout(self.wait):
                return await answer
        except TimeoutError:
            raise errors.Unavailable(
                f"{self._path.name} did not answer within {self.wait:g} seconds."
            ) from None
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _start(
        self,
        jobs: "queue.SimpleQueue[_Job | None]",
        run: Callable[[sqlite3.Connection, Sequence[_Job]], list[_Outcome]],
        name: str,
    ) -> threading.Thread:
        thread = threading.Thread(
            target=self._serve, args=(jobs, run), name=f"{self._path.name}-{name}", daemon=True
        )
        thread.start()
        return thread

    def _serve(
        self,
        jobs: "queue.SimpleQueue[_Job | None]",
        run: Callable[[sqlite3.Connection, Sequence[_Job]], list[_Outcome]],
    ) -> None:
        connection: sqlite3.Connection | None = None
        most = _SHARED_COMMIT if jobs is self._writes else 1
        closing = False
        while not closing:
            batch, closing = _take(jobs, most)
            batch = [job for job in batch if not job.answer.done()]
            if not batch:
                continue
            try:
                connection = connection or self._open()
            except (sqlite3.Error, OSError, errors.DomainError) as error:
                _settle([_Outcome(job, error=self._translated(error)) for job in batch])
                continue
            _settle(run(connection, batch))
            # An answer may be a large page: none is kept until somebody asks again.
            batch.clear()
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        with self._opening:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=5.0, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:  # nobody has it who could close it
                connection.close()
                raise
            return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise errors.Unavailable(
                f"The file system of {self._path.name} cannot hold a database (no WAL)."
            )
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={64 * 1024 * 1024}")
        # KiB for each connection: as much again costs no less processor time, as the system caches
        # the file too, and a large database fills it.
        connection.execute("PRAGMA cache_size=-1000")
        connection.execute("PRAGMA temp_store=MEMORY")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > self._version:
            raise errors.Unavailable(
                f"{self._path.name} was written by a newer version of this software."
            )
        if found < self._version:
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version={self._version}; COMMIT"
            )
        self._path.chmod(0o600)

    def _read_each(self, connection: sqlite3.Connection, jobs: Sequence[_Job]) -> list[_Outcome]:
        return [_run(connection, job) for job in jobs]

    def _write_together(
        self, connection: sqlite3.Connection, jobs: Sequence[_Job]
    ) -> list[_Outcome]:
        if len(jobs) > 1:
            try:
                return self._share_a_commit(connection, jobs)
            except sqlite3.Error:
                # The whole transaction is lost (a full disk undoes more than a statement):
                # let each job find out for itself.
                _undo(connection)
        return [self._write_alone(connection, job) for job in jobs]

    def _share_a_commit(
        self, connection: sqlite3.Connection, jobs: Sequence[_Job]
    ) -> list[_Outcome]:
        outcomes = []
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            connection.execute("SAVEPOINT job")
            outcome = _run(connection, job)
            if outcome.error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            outcomes.append(outcome)
        connection.execute("COMMIT")
        return outcomes

    def _write_alone(self, connection: sqlite3.Connection, job: _Job) -> _Outcome:
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcome = _run(connection, job)
            if outcome.error is None:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            outcome = _Outcome(job, error=error)
        if outcome.error is not None:
            _undo(connection)
        return outcome

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, OSError):
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return errors.StorageFull(f"No space is left for {self._path.name}.")
            return errors.Unavailable(f"{self._path.name} cannot be opened: {error.strerror}.")
        if not isinstance(error, sqlite3.Error):
            return error
        code = getattr(error, "sqlite_errorcode", 0)
        if code in _FULL:
            return errors.StorageFull(f"No space is left for {self._path.name}.")
        if code & 0xFF in _DAMAGED:
            return errors.Unavailable(f"The database {self._path.name} is damaged: {error}.")
        if isinstance(error, sqlite3.OperationalError):
            return errors.Unavailable(f"{self._path.name}: {error}.")
        return error


def _take(jobs: "queue.SimpleQueue[_Job | None]", most: int) -> tuple[list[_Job], bool]:
    """Wait for a job, then take those that wait behind it. True: this was the end."""
    batch: list[_Job] = []
    job = jobs.get()
    while job is not None:
        batch.append(job)
        if len(batch) == most:
            return batch, False
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return batch, False
    return batch, True


def _run(connection: sqlite3.Connection, job: _Job) -> _Outcome:
    try:
        return _Outcome(job, result=job.operation(connection))
    except Exception as error:  # Whatever an operation raises belongs to its caller.
        return _Outcome(job, error=error)


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _settle(outcomes: Sequence[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, of_loop in by_loop.items():
        # RuntimeError: that loop has ended, and with it everyone who waited.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_answer, of_loop)


def _answer(outcomes: Sequence[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.job.answer.done():
            continue
        if outcome.error is not None:
            outcome.job.answer.set_exception(outcome.error)
        else:
            outcome.job.answer.set_result(outcome.result)


def _join(threads: Sequence[threading.Thread], wait: float) -> None:
    for thread in threads:
        thread.join(wait)
