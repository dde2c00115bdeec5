"""Messages that could not be handled: reading them, and having them handled after all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import Invalid, NotFound
from domain.ports import DeadLetterQueues, DeadMessage

AT_ONCE: Final = 200
"""As many are replayed by one call."""
_COUNTED: Final = 100


@dataclass(frozen=True)
class QueueState:
    """How many messages of a queue are put aside; where it is not complete, there are more."""

    name: str
    dead_messages: int
    is_complete: bool


class DeadMessages:
    """Of the installation's own queues, `names`. What a message is about goes on without it
    where the sweep takes it up, so that one which is replayed may find nothing to do."""

    def __init__(self, queues: DeadLetterQueues, names: Sequence[str]) -> None:
        self._queues = queues
        self._names = names

    async def states(self) -> list[QueueState]:
        """Of every queue, in the order of their names."""
        found = []
        for name in sorted(self._names):
            some = await self._queues.dead_messages(name, 0, _COUNTED + 1)
            found.append(QueueState(name, min(len(some), _COUNTED), len(some) <= _COUNTED))
        return found

    async def page(
        self, queue: str, top: int, continuation: str | None
    ) -> tuple[Sequence[DeadMessage], str | None]:
        """Of one queue, the oldest first. Raises NotFound, and Invalid for a continuation that was
        never given."""
        known = self._known(queue)
        if continuation is not None and _number(continuation) is None:
            raise Invalid("This $skip was not given by a nextLink of this list.", target="$skip")
        after = _number(continuation or "0") or 0
        limit = min(top, AT_ONCE)
        found = await self._queues.dead_messages(known, after, limit + 1)
        more = str(found[limit - 1].number) if len(found) > limit else None
        return found[:limit], more

    async def get(self, queue: str, name: str) -> DeadMessage:
        """Raises NotFound."""
        known, number = self._known(queue), _number(name)
        if number:
            for message in await self._queues.dead_messages(known, number - 1, 1):
                if message.number == number:
                    return message
        raise _lacking(known, [name])

    async def replay(self, queue: str, names: Sequence[str] | None) -> int:
        """Have these delivered anew, or the oldest AT_ONCE; how many. Raises NotFound where one
        of those that are named is not there, before anything is done."""
        known = self._known(queue)
        if names is None:
            found = await self._queues.dead_messages(known, 0, AT_ONCE)
            return await self._queues.replay(known, {each.number for each in found})
        if len(names) > AT_ONCE:
            raise Invalid(f"At most {AT_ONCE} messages are replayed at once.", target="names")
        lacking, numbers = [], set()
        for name in dict.fromkeys(names):
            try:
                numbers.add((await self.get(known, name)).number)
            except NotFound:
                lacking.append(name)
        if lacking:
            raise _lacking(known, lacking)
        return await self._queues.replay(known, numbers)

    async def discard(self, queue: str, name: str) -> None:
        """Raises NotFound."""
        message = await self.get(queue, name)
        if not await self._queues.discard(message.queue, {message.number}):
            raise _lacking(message.queue, [name])

    def _known(self, queue: str) -> str:
        for name in self._names:
            if name.casefold() == queue.casefold():
                return name
        raise NotFound(
            f"There is no queue '{queue[:80]}'; there are {', '.join(sorted(self._names))}."
        )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _lacking(queue: str, names: Sequence[str]) -> NotFound:
    these = ", ".join(name[:40] for name in names[:10])
    return NotFound(f"Queue '{queue}' has put no message aside with the number {these}.")
