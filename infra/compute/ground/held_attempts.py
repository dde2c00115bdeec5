"""The attempts at units that a host waits for, or that have ended and nobody has collected."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from domain.errors import Throttled
from domain.ports import UnitOutcome, UnitRequest

Begun = Callable[[Callable[[], UnitRequest]], Coroutine[Any, Any, UnitOutcome]]
"""What runs an attempt; it is told the request as it was last asked for."""


@dataclass(eq=False)
class HeldAttempt:
    """`request` is as it was last asked for, with the URLs that are good for longest. `lease` is
    done once it has found a process."""

    request: UnitRequest
    lease: asyncio.Future[Any]
    task: asyncio.Task[UnitOutcome]


class HeldAttempts:
    """`most` at a time. One that has found no process in `lease_wait` seconds is left waiting by
    its caller."""

    def __init__(self, most: int, lease_wait: float) -> None:
        self._most = most
        self._lease_wait = lease_wait
        self._attempts: OrderedDict[str, HeldAttempt] = OrderedDict()

    @property
    def are_under_way(self) -> bool:
        return any(not attempt.task.done() for attempt in self._attempts.values())

    async def close(self) -> None:
        """Nobody waits for them any more."""
        attempts = list(self._attempts.values())
        self._attempts.clear()
        for attempt in attempts:
            attempt.task.cancel()
        await asyncio.gather(*(attempt.task for attempt in attempts), return_exceptions=True)

    def get(self, attempt_id: str) -> HeldAttempt | None:
        return self._attempts.get(attempt_id)

    def begin(self, request: UnitRequest, lease: asyncio.Future[Any], begun: Begun) -> HeldAttempt:
        """Raises Throttled."""
        self._make_room()

        def asked() -> UnitRequest:
            return attempt.request

        task = asyncio.create_task(begun(asked), name=f"unit {request.attempt_id}")
        attempt = self._attempts[request.attempt_id] = HeldAttempt(request, lease, task)
        return attempt

    async def outcome(self, attempt: HeldAttempt, wait: float) -> UnitOutcome | None:
        """None: it has not ended within `wait` seconds, or has not found a process."""
        task, lease = attempt.task, attempt.lease
        deadline = asyncio.get_running_loop().time() + wait
        if not lease.done():
            either: set[asyncio.Future[Any]] = {task, lease}
            wait = min(wait, self._lease_wait)
            await asyncio.wait(either, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if not (task.done() or lease.done()):
                return None
        if not task.done():
            await asyncio.wait({task}, timeout=deadline - asyncio.get_running_loop().time())
        if not task.done():
            return None
        attempt_id = attempt.request.attempt_id
        if self._attempts.get(attempt_id) is attempt:
            del self._attempts[attempt_id]
        return task.result()

    def _make_room(self) -> None:
        """Forget the oldest attempt that has ended: whoever asked for it is gone, and its unit will
        come again as another attempt."""
        if len(self._attempts) < self._most:
            return
        for attempt_id, attempt in self._attempts.items():
            if attempt.task.done():
                if not attempt.task.cancelled():
                    attempt.task.exception()
                del self._attempts[attempt_id]
                return
        raise Throttled(f"{self._most} units are under way on this host.")
