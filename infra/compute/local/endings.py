"""What is still ending under each workload's key."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Endings:
    """A key is listed from `begin` until all that was begun under it is done."""

    def __init__(self) -> None:
        self._by_key: dict[str, set[asyncio.Task[None]]] = {}

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return {task for tasks in self._by_key.values() for task in tasks}

    @property
    def keys(self) -> set[str]:
        return set(self._by_key)

    def begin(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        tasks = self._by_key.setdefault(key, set())
        task = asyncio.create_task(work, name=f"end {key}")
        tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not tasks and self._by_key.get(key) is tasks:
                del self._by_key[key]

        task.add_done_callback(ended)

    async def over(self, key: str, *, within: float) -> bool:
        """Whether nothing ends under `key` any more, waiting up to `within` seconds for it."""
        if tasks := self._by_key.get(key):
            await asyncio.wait(set(tasks), timeout=within)
        return key not in self._by_key
