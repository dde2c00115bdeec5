"""How long a call to a service is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from infra.cloud.azure_errors import HTTP_ERRORS
from infra.cloud.faults import Fault

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Patience:
    """A call is given `budget` seconds in all, and each of its tries `attempt` seconds.

    Faults that may pass are tried again: after the time that the service asks for, else
    after a wait that doubles, with chance in it so that many callers do not come back at
    once. What would have to wait past the budget is surfaced at once. The SDKs' own
    retries are switched off, so that two budgets do not multiply."""

    budget: float = 20.0
    attempt: float = 10.0
    first_wait: float = 0.05
    longest_wait: float = 5.0

    async def through(
        self, call: Callable[[], Awaitable[Answer]], meaning: Callable[[Exception], Fault]
    ) -> Answer:
        """The answer of `call`, or the domain error that `meaning` makes of its last fault."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.budget
        wait = self.first_wait
        while True:
            left = deadline - loop.time()
            try:
                async with asyncio.timeout(min(self.attempt, left)):
                    return await call()
            except HTTP_ERRORS as error:
                fault = meaning(error)
                if not fault.passing:
                    raise fault.error from error
                pause = fault.retry_after
                if pause is None:
                    pause = wait * random.uniform(0.5, 1.0)
                    wait = min(2 * wait, self.longest_wait)
                # A service that asks for no wait at all would be asked in a tight loop.
                pause = max(pause, self.first_wait / 2)
                if loop.time() + pause >= deadline:
                    raise fault.error from error
                await asyncio.sleep(pause)
