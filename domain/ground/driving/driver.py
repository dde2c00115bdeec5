"""Driving a process: from message to message, one saved step at a time.

A process is a document on its way: a batch job, a drop, a schedule, what waits for a
subscription, a deployment. Its message has the next step taken; the step is saved, then the next
message is sent. docs/driven-processes.md says what that guarantees, and how to add another.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, Protocol, TypeVar, final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ground.driving.fence import Chained, Fence, Fenced, Verdict
from domain.ground.facts import Fact
from domain.ports import Clock, Document, Json, Message, WorkQueue, Write

GRACE = 15.0
"""Seconds by which a look may be late, or that it may take, before the sweep takes over: for
every process that does not say another."""

RACES = 50
"""How often a look begins anew because others wrote meanwhile, before its message goes back to
its queue."""

AFTER_RACE = 0.1
"""Seconds after which a look follows that others overtook, where looks are not counted."""

STRETCH = 20.0
"""Seconds for which steps that follow at once are taken in one delivery. Then a message takes
the process further: none is held so long that the queue thinks it lost."""


class Sent(Chained, Protocol):
    """A message, as it goes into a queue."""

    def to_document(self) -> Json: ...


S = TypeVar("S", bound=Fenced)
M = TypeVar("M", bound=Sent)


@dataclass(frozen=True)
class Step(Generic[S]):
    """What a look at a process has led to.

    `state` is saved, together with `beside` and with the facts `told`; once that is done, `then`
    runs. If it fails, a later look is told of it (Driven.message), unless somebody else takes
    over before. The next look comes after `pause` seconds; 0: at once; None: there is nothing
    left to do. `lease` is how long that look may be late, or take, before the sweep takes over;
    None: the process's grace. Not `by_message`: no message is sent, the sweep has the process
    looked at when it is time."""

    state: S
    pause: float | None
    beside: tuple[Write, ...] = ()
    told: Sequence[Fact] = ()
    then: Callable[[], Awaitable[None]] | None = None
    lease: float | None = None
    by_message: bool = True


class Driven(Protocol[S, M]):
    """What a process gives to its driver. A step may be taken any number of times before it is
    saved once: what it does besides must bear that."""

    @property
    @abstractmethod
    def queue(self) -> str:
        """Where its messages go."""

    @property
    @abstractmethod
    def grace(self) -> float:
        """GRACE, or how much longer its looks may take."""

    @abstractmethod
    async def find(self, message: M) -> Document | None:
        """Its document; None when it is gone, and nothing is left to do."""

    @abstractmethod
    def read(self, document: Document) -> S:
        """What the document holds."""

    @abstractmethod
    async def step(self, state: S, document: Document, message: M) -> Step[S] | None:
        """Take the next step. What it raises, but for a race, sends the message back to its
        queue. None: the document is gone, or the step was saved as the last one."""

    @abstractmethod
    async def save(self, document: Document, step: Step[S], due_at: float | None) -> None:
        """Replace `document` by `step.state`, with what belongs to the step, in one
        transaction. Raises StaleETag, DocumentExists or DocumentNotFound for a race."""

    @abstractmethod
    def message(self, state: S, before: M | None) -> M:
        """The message for the next look at `state`; `before` is the one that led to it. None
        where that may never have ended: then what it was to send may be unsent, too."""

    @abstractmethod
    def pause(self, state: S) -> float:
        """Seconds until the next look at a state that the sweep has found; 0: at once."""


@final
class Driving(Generic[S, M]):
    """Drives one process. Whatever message comes, and however often: each step is saved once,
    and as long as there is one to take, a message is on its way or the document falls due.

    A process whose state has no `tick` (a deployment being provisioned) is looked at without
    a write for each look: `chain` and `generation` discard its stale messages, a doubled one has
    it looked at beside, and a look that changes nothing only keeps the document from falling
    due, not more often than its grace needs."""

    def __init__(self, process: Driven[S, M], queue: WorkQueue, clock: Clock) -> None:
        self._process = process
        self._queue = queue
        self._clock = clock

    async def go_on(self, message: M, *, redelivered: bool = False) -> None:
        """Take the next step, and those that follow at once. `redelivered`: an earlier delivery
        of this very message did not end well. Raises Unavailable when it found no turn."""
        process = self._process
        ends = asyncio.get_running_loop().time() + STRETCH
        untold, races = redelivered, 0
        while (document := await process.find(message)) is not None:
            state = process.read(document)
            match _verdict(message, state, untold):
                case Verdict.STALE:
                    return
                case Verdict.RESEND:
                    # At once: a look that comes too early, or finds nothing left to do, is
                    # harmless, and the message for the right time, if there is one, stale.
                    await self._send(process.message(state, None), 0.0)
                    return
            try:
                step = await process.step(state, document, message)
                if step is not None:
                    step = await self._saved(document, state, step, message, untold)
            except (StaleETag, DocumentExists, DocumentNotFound) as race:
                # Others have written meanwhile; or this has, and the answer got lost.
                if Fence.of(state).tick is None:
                    # What the look did may have to be undone, now that they came: whatever
                    # they have made of it, another look follows.
                    await self._send(process.message(state, message), AFTER_RACE)
                    return
                untold, races = True, races + 1
                if races > RACES:
                    name = f"'{document.id}' of '{document.partition}'"
                    raise Unavailable(f"A look at {name} found no turn.") from race
                continue
            if step is None or step.pause is None or not step.by_message:
                return
            successor = process.message(step.state, message)
            if step.pause > 0 or asyncio.get_running_loop().time() >= ends:
                await self._send(successor, step.pause)
                return
            message, untold, races = successor, False, 0

    async def resume(self, document: Document) -> None:
        """Take over a process of which nobody has given a sign of life. Raises StaleETag."""
        process = self._process
        state = process.read(document)
        taken = Fence.of(state).taken_over().on(state)
        pause = process.pause(taken)
        await process.save(document, Step(taken, pause), self._due_at(pause, None))
        await self._send(process.message(taken, None), pause)

    async def _saved(
        self, document: Document, before: S, step: Step[S], message: M, untold: bool
    ) -> Step[S] | None:
        """The step as it was saved. None when a nudge has changed nothing: the chain goes on by
        itself."""
        fence, nudged = Fence.of(before), message.chain is None
        due_at = None
        if step.pause is not None:
            due_at = self._due_at(step.pause, step.lease if step.by_message else 0.0)
        if _changes_nothing(step, before):
            stands = self._stands(document, step)
            if nudged and not untold and stands:
                return None
            if fence.tick is None:
                if not stands:
                    await self._process.save(document, step, due_at)
                return step
        after = fence.taken_over() if nudged else fence.ticked()
        step = replace(step, state=after.on(step.state))
        await self._process.save(document, step, due_at)
        if step.then is not None:
            await step.then()
        return step

    def _stands(self, document: Document, step: Step[S]) -> bool:
        """Whether the document falls due rightly: not before half of the lease is over."""
        if step.pause is None or document.due_at is None:
            return step.pause is None and document.due_at is None
        lease = self._process.grace if step.lease is None else step.lease
        return document.due_at - self._clock.now().timestamp() >= lease / 2

    def _due_at(self, pause: float, lease: float | None) -> float:
        lease = self._process.grace if lease is None else lease
        return self._clock.now().timestamp() + pause + lease

    async def _send(self, message: M, pause: float) -> None:
        sent = Message(message.to_document(), delay=timedelta(seconds=pause))
        await self._queue.send(self._process.queue, sent)


def _changes_nothing(step: Step[S], before: S) -> bool:
    return step.state == before and not (step.beside or step.told or step.then)


def _verdict(message: Chained, state: Fenced, untold: bool) -> Verdict:
    named = Fence.named_by(message)
    if named is None:
        return Verdict.GO_ON
    return Fence.of(state).verdict(named, untold=untold)
