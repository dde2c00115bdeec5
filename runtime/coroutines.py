"""Scripts may be async: their coroutines all run on one loop of their own, so that what
`init` opened is usable in `run`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
END = object()


def finish(result: Any) -> Any:
    """`result`, or what it comes to if it is awaitable."""
    if not inspect.isawaitable(result):
        return result
    return asyncio.run_coroutine_threadsafe(_await(result), _script_loop()).result()


class Items(Iterator[Any]):
    """An async iterator's items, fetched one at a time as they are asked for: from any thread by
    `next`, on the scripts' loop by `fetch`, which gives END after the last."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items
        self._fetching: asyncio.Task[Any] | None = None
        self._interrupted = False

    def __next__(self) -> Any:
        item = finish(self.fetch())
        if item is END:
            raise StopIteration
        return item

    def interrupt(self) -> None:
        """From any thread: cancel the fetching of this item, or else of the next."""
        _script_loop().call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            finish(close())

    async def fetch(self) -> Any:
        if self._interrupted:
            raise asyncio.CancelledError
        self._fetching = asyncio.current_task()
        try:
            return await self._items.__anext__()
        except StopAsyncIteration:
            return END
        finally:
            self._fetching = None

    def _cancel(self) -> None:
        self._interrupted = True
        if self._fetching is not None:
            self._fetching.cancel()


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _script_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop for the one script of this process
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="script-loop", daemon=True).start()
    return _loop
