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


def finish(result: Any) -> Any:
    """`result`, or what it comes to if it is awaitable."""
    if not inspect.isawaitable(result):
        return result
    return asyncio.run_coroutine_threadsafe(_await(result), _script_loop()).result()


def iterate(items: AsyncIterator[Any]) -> Iterator[Any]:
    """An async iterator's items, fetched one at a time as they are asked for."""
    try:
        while True:
            try:
                yield finish(items.__anext__())
            except StopAsyncIteration:
                return
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            finish(close())


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _script_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop for the one script of this process
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="script-loop", daemon=True).start()
    return _loop
