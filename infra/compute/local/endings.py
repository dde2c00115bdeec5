"""What is still ending under each workload's key."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from domain.ports import WorkloadKind


@dataclass
class _Ending:
    kind: WorkloadKind
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Endings:
    """A key is listed from `begin` until all that was begun under it is done."""

    def __init__(self) -> None:
        self._by_key: dict[str, _Ending] = {}

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return {task for ending in self._by_key.values() for task in ending.tasks}

    def keys(self, kind: WorkloadKind) -> set[str]:
        return {key for key, ending in self._by_key.items() if ending.kind is kind}

    def begin(self, key: str, kind: WorkloadKind, work: Coroutine[Any, Any, None]) -> None:
        ending = self._by_key.setdefault(key, _Ending(kind))
        task = asyncio.create_task(work, name=f"end {key}")
        ending.tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            ending.tasks.discard(task)
            if not ending.tasks and self._by_key.get(key) is ending:
                del self._by_key[key]

        task.add_done_callback(ended)

    async def over(self, key: str, *, within: float) -> bool:
        """Whether nothing ends under `key` any more, waiting up to `within` seconds for it."""
        if ending := self._by_key.get(key):
            await asyncio.wait(set(ending.tasks), timeout=within)
        return key not in self._by_key
