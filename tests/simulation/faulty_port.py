"""A port as one life of a host sees it: each call takes some time, and may be struck by a fault."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from domain.errors import Throttled, Unavailable
from domain.ports import Delete, Replace
from tests.simulation.faults import Fault
from tests.simulation.virtual_loop import HostEnded, Life

_STREAMS = ("read", "list")
_NEVER_REPEATED = ("run_unit", "score", "complete", "abandon", "dead_letter")
"""Calls that no adapter makes twice by itself."""


class Surroundings(Protocol):
    """What a port needs of the world."""

    def fault(self, life: Life, port: str, call: str, about: str) -> Fault | None:
        """What befalls this call, noted down."""

    async def pass_time(self, life: Life, *, slow: bool = False) -> None:
        """What a call takes. Raises HostEnded when the life has ended by then."""

    def end(self, life: Life) -> None:
        """The host ends now."""

    def move_etags(self, partition: str, ids: list[str]) -> None:
        """Somebody writes these documents as they are."""


class FaultyPort:
    """`port`, named `what` in the schedule."""

    def __init__(self, port: Any, what: str, life: Life, around: Surroundings) -> None:
        self._port = port
        self._what = what
        self._life = life
        self._around = around

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        wrapped = found
        if name in _STREAMS:
            wrapped = self._streaming(name, found)
        elif asyncio.iscoroutinefunction(found):
            wrapped = self._calling(name, found)
        if wrapped is not found:
            self.__dict__[name] = wrapped
        return wrapped

    def _calling(self, name: str, found: Any) -> Any:
        life, around, what = self._life, self._around, self._what

        async def call(*args: Any, **kwargs: Any) -> Any:
            if life.ended:
                raise HostEnded
            fault = around.fault(life, what, name, _about(args))
            await around.pass_time(life, slow=fault is Fault.SLOW)
            if fault is None:
                return await _answered(life, around, found(*args, **kwargs))
            self._before(fault, name, args)
            answer = await found(*args, **kwargs)
            if life.ended:
                raise HostEnded
            if fault is Fault.REPEATED and _is_repeatable(name, args):
                answer = await found(*args, **kwargs)
            self._after(fault, name)
            return await _answered(life, around, _given(answer))

        return call

    def _streaming(self, name: str, found: Any) -> Any:
        life, around, what = self._life, self._around, self._what

        async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            if life.ended:
                raise HostEnded
            fault = around.fault(life, what, name, _about(args))
            await around.pass_time(life, slow=fault is Fault.SLOW)
            if fault is not None:
                self._before(fault, name, args)
            async for item in found(*args, **kwargs):
                yield item
                if life.ended:
                    raise HostEnded
                if fault is not None:
                    self._after(fault, name)

        return stream

    def _before(self, fault: Fault, name: str, args: tuple[Any, ...]) -> None:
        match fault:
            case Fault.REFUSED:
                raise Unavailable(f"{self._what}.{name} fails in this simulation.")
            case Fault.THROTTLED:
                raise Throttled(f"{self._what}.{name} is throttled.", retry_after=2.0)
            case Fault.ENDS_BEFORE:
                self._around.end(self._life)
                raise HostEnded
            case Fault.ETAG_MOVED if name == "transact":
                writes = [w for w in args[1] if isinstance(w, Replace | Delete) and w.etag]
                self._around.move_etags(args[0], [write.id for write in writes])
            case _:
                return

    def _after(self, fault: Fault, name: str) -> None:
        match fault:
            case Fault.ANSWER_LOST:
                raise Unavailable(f"The answer of {self._what}.{name} is lost in this simulation.")
            case Fault.ENDS_AFTER:
                self._around.end(self._life)
                raise HostEnded
            case _:
                return


async def _answered(life: Life, around: Surroundings, answering: Any) -> Any:
    answer = await answering
    if life.ended:
        raise HostEnded
    return answer


async def _given(answer: Any) -> Any:
    return answer


def _is_repeatable(name: str, args: tuple[Any, ...]) -> bool:
    """Not where a stream is the content: that is gone, and adapters repeat their own last call."""
    return name not in _NEVER_REPEATED and not any(isinstance(a, AsyncIterator) for a in args)


def _about(args: tuple[Any, ...]) -> str:
    return str(args[0])[:60] if args and isinstance(args[0], str) else ""
