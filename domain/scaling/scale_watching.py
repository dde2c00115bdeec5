"""Looks at autoscaled deployments from message to message: where each execution is paid for, a
timer that comes each second would keep a host for nothing while none of them is awake.

One chain looks at all of them, as often as the one that is looked at most asks for, and ends once
none is awake. Whoever wakes or makes one begins it anew, and so does the sweep.
"""

from collections.abc import Mapping
from datetime import timedelta

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.ground.driving.driver import Driving, Step
from domain.ground.driving.fence import taken_over
from domain.ground.driving.sweeping import Resume
from domain.ground.messages import SCALING_LOOKS_QUEUE, LookAtScales
from domain.ports import Clock, Create, Document, Message, Replace, ResourceStore, WorkQueue
from domain.scaling.scale_watch import (
    ID,
    KIND,
    PARTITION,
    ScaleWatch,
    message_for,
    to_body,
    watch_of,
)
from domain.scaling.scaling import TICK, Scaling


class ScaleWatching:
    """`between` two looks there is so much at least."""

    queue = SCALING_LOOKS_QUEUE
    grace = 60.0

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        scaling: Scaling,
        *,
        between: timedelta,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._scaling = scaling
        self._between = max(between, TICK)
        self._driving = Driving(self, queue, clock)

    async def begin(self) -> None:
        """Have them looked at, if that is not under way and any is awake."""
        document = await self._document()
        watch = watch_of(document) if document else ScaleWatch()
        if watch.is_running or not await self._scaling.is_any_awake():
            return
        begun = taken_over(watch.but(is_running=True, looked_at=self._clock.now()))
        body, due_at = to_body(begun), self._clock.now().timestamp() + self.grace
        write = Replace(ID, body, document.etag, due_at) if document else Create(ID, body, due_at)
        try:
            await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return  # somebody else has begun
        await self._queue.send(self.queue, Message(message_for(begun).to_document()))

    async def look(self, message: LookAtScales, *, redelivered: bool = False) -> None:
        """Look at those that are due."""
        await self._driving.go_on(message, redelivered=redelivered)

    async def resume(self, document: Document) -> None:
        """Take over looks that nobody goes on with. Raises StaleETag."""
        await self._driving.resume(document)

    @property
    def owners(self) -> Mapping[str, Resume]:
        """Who resumes which kind of document."""
        return {KIND: self.resume}

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: LookAtScales) -> Document | None:
        return await self._document()

    def read(self, document: Document) -> ScaleWatch:
        return watch_of(document)

    async def step(
        self, state: ScaleWatch, document: Document, message: LookAtScales
    ) -> Step[ScaleWatch] | None:
        if not state.is_running:
            return None
        now = self._clock.now()
        # What came due since the last look, however late this one is.
        since = max(now - state.looked_at, TICK) if state.looked_at else TICK
        awaits = await self._scaling.tick(since)
        if awaits is None:
            return Step(state.but(is_running=False, looked_at=None), None)
        pause = max(awaits, self._between)
        return Step(state.but(looked_at=now), pause.total_seconds())

    async def save(self, document: Document, step: Step[ScaleWatch], due_at: float | None) -> None:
        write = Replace(ID, to_body(step.state), document.etag, due_at)
        await self._store.transact(PARTITION, [write])

    def message(self, state: ScaleWatch, before: LookAtScales | None) -> LookAtScales:
        return message_for(state)

    def pause(self, state: ScaleWatch) -> float:
        return 0.0

    async def _document(self) -> Document | None:
        try:
            return await self._store.get(PARTITION, ID)
        except DocumentNotFound:
            return None
