"""What may befall a host: messages doubled, delayed and lost, and its end at any call of a port."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Hook = Callable[..., Awaitable[None]]
"""Called with the name of a port's method and the arguments of the call."""


class Crash(Exception):
    """The host ends here."""


@dataclass
class Mischief:
    """Chances, per message or per call of a port."""

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    crash: float = 0.0
    crashes_left: int = 0
    double: float = 0.0
    delay: float = 0.0
    lose: float = 0.0
    slow: float = 0.0
    dead: bool = False
    before: Hook | None = None
    after: Hook | None = None
    """Done around each call of a port."""

    def meet(self) -> None:
        """At a call of a port: the moment before, or after, which the host may end."""
        if not self.dead and self.crashes_left and self.rng.random() < self.crash:
            self.crashes_left -= 1
            self.dead = True
        if self.dead:
            raise Crash

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Within, nothing befalls whoever only looks."""
        crash, self.crash = self.crash, 0.0
        try:
            yield
        finally:
            self.crash = crash


class Mortal:
    """A port of a host that may end at any call, or at those of `only`."""

    def __init__(self, port: Any, mischief: Mischief, only: Collection[str] | None = None) -> None:
        self._port = port
        self._mischief = mischief
        self._only = only

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in ("read", "list"):
            return lambda *a, **k: self._stream(found(*a, **k))
        if not asyncio.iscoroutinefunction(found) or name not in (self._only or (name,)):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            mischief = self._mischief
            mischief.meet()
            if mischief.before is not None:
                await mischief.before(name, *args)
            answer = await found(*args, **kwargs)
            if mischief.after is not None:
                await mischief.after(name, *args)
            mischief.meet()
            return answer

        return call

    async def _stream(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        self._mischief.meet()
        async for item in items:
            yield item
            if self._mischief.rng.random() < 0.1:
                self._mischief.meet()
