"""File work off the event loop, with a time limit, its faults in the domain's words."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, TypeVar

from domain import errors

P = ParamSpec("P")
T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Disk:
    """A few threads that do file work. `wait` seconds bound every piece of it."""

    def __init__(self, *, threads: int = 8, wait: float = 120.0) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blobs")
        self._wait = wait
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a thread. Raises StorageFull and Unavailable for what a disk may
        do; whoever is cancelled here leaves the work running to its end."""
        if self._closed:
            raise errors.Unavailable("The blob store is closed.")
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, lambda: in_domain_words(work, *args, **kwargs))
        try:
            async with asyncio.timeout(self._wait):
                return await future
        except TimeoutError:
            raise errors.Unavailable(
                f"The disk did not answer within {self._wait:g} seconds."
            ) from None

    async def through(self, work: "Steps[T]") -> T | None:
        """Every step of `work`, a thread's turn each; what the last one yielded."""
        last: T | None = None
        try:
            while (step := await self.run(work.next)) is not None:
                last = step
        finally:
            self.later(work.close)
        return last

    def later(self, work: Callable[[], None]) -> None:
        """Run `work` at some time, for cleaning up after one who no longer waits."""
        if self._closed:
            work()
        else:
            self._pool.submit(work)

    async def close(self) -> None:
        """Finish what is under way."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._pool.shutdown)


class Descriptor:
    """A file descriptor that is not closed under a thread that uses it: a cancelled caller
    may close it while its last piece of work still runs, and its number may be reused."""

    def __init__(self, number: int) -> None:
        self._number: int | None = number
        self._lock = threading.Lock()

    def use(self, work: Callable[[int], T]) -> T:
        with self._lock:
            if self._number is None:
                raise errors.Unavailable("The file was closed meanwhile.")
            return work(self._number)

    def close(self) -> None:
        with self._lock:
            if self._number is not None:
                os.close(self._number)
                self._number = None

    def __del__(self) -> None:
        # The thread that opened it may find that nobody waits for it any more.
        self.close()


class Steps(Generic[T]):
    """Long work as a generator, one step at a time, each in whatever thread is free. It can
    be closed while a step runs: that waits for the step's end."""

    def __init__(self, work: Generator[T, None, None]) -> None:
        self._work = work
        self._lock = threading.Lock()

    def next(self) -> T | None:
        """What the next step yields; None at the end."""
        with self._lock:
            return next(self._work, None)

    def close(self) -> None:
        with self._lock:
            self._work.close()


def in_domain_words(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` gives. Raises StorageFull and Unavailable for what a disk may do."""
    try:
        return work(*args, **kwargs)
    except OSError as error:
        if error.errno in _FULL:
            raise errors.StorageFull(
                "No space is left on the disk that holds the blobs."
            ) from error
        raise errors.Unavailable(f"The disk refused: {error.strerror or error}.") from error


def write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
