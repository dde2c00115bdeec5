"""Waiting no longer than a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


async def within(work: Awaitable[T], seconds: float) -> T:
    """What it comes to. Raises asyncio.TimeoutError, and it is cancelled then; whoever is
    cancelled himself is so whenever that comes. (Before Python 3.12 `asyncio.wait_for` loses a
    cancellation that comes as the work is done: a watch that is over goes on.)"""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _ended(task)
        raise
    if task.done():
        return task.result()
    await _ended(task)
    raise TimeoutError


async def _ended(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # Nobody is left to be told.
