"""A gateway's part in having a deployment up that sleeps, or that is being restored.

The first request that finds no instance sets things going: for one that may sleep it sends a
message (the stored count changes); one that should be up, and of which the compute knows nothing
(one of this host alone forgets, or was never asked), it brings up there and then. It and whoever
comes meanwhile wait, each within the one time limit, and then go on no more at a time than the
instances take, so that those that waited are not refused for having waited. Where instances have
served and are gone (they died), nobody waits: they may die again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from domain.errors import DomainError
from domain.ground.counting.tally import Tally, endpoint_subject
from domain.ground.messages import SCALING_QUEUE, WakeDeployment
from domain.ports import Message, Serving, ServingObservation, WorkloadState, WorkQueue
from domain.ports.records.figure_store import Series
from domain.scoring import scoring_refusals as refusals
from domain.scoring.instance_asking import Awakening
from domain.scoring.route import DeploymentRoute

_log = logging.getLogger("ml_endpoints.scaling")

BringUp = Callable[[str, str], Awaitable[ServingObservation | None]]
"""Has the compute work towards what is stored of a deployment, by its endpoint's and its own
name; None where there is nothing to run. Raises DomainError."""

_LOOK = 0.01
_READ_AGAIN = 0.25
_ASK_AGAIN = 1.0
"""Seconds between looks at what the compute says of the deployment: it may have failed."""


class _Wake:
    """`task` ends once an instance is there, with the turns that those who wait take; None:
    there will be none."""

    def __init__(self, task: asyncio.Task[asyncio.Semaphore | None]) -> None:
        self.waiting = 0
        self.task = task

    @property
    def has_turns(self) -> bool:
        task = self.task
        ended = task.done() and not task.cancelled() and task.exception() is None
        return ended and task.result() is not None


class Waking(Awakening):
    """`limit` in seconds bounds one request's wait, `max_waiting` the requests that wait for
    one deployment. One event loop owns it."""

    def __init__(
        self,
        serving: Serving,
        queue: WorkQueue,
        bring_up: BringUp,
        tally: Tally,
        *,
        limit: float,
        max_waiting: int = 1000,
    ) -> None:
        self._serving = serving
        self._queue = queue
        self._bring_up = bring_up
        self._tally = tally
        self._limit = limit
        self._max_waiting = max_waiting
        self._wakes: dict[str, _Wake] = {}

    @asynccontextmanager
    async def turn(self, endpoint: str, deployment: DeploymentRoute) -> AsyncIterator[None]:
        """Entered once the deployment is up and it is this request's turn. Raises Refused when
        that takes longer than the limit, too many wait already, or it will not come."""
        key = deployment.workload_key
        wake = self._wakes.get(key)
        if wake is None or (wake.has_turns and not self._serving.instances(key)):
            task = asyncio.create_task(self._woken(endpoint, deployment))
            wake = self._wakes[key] = _Wake(task)
        if wake.waiting >= self._max_waiting:
            raise refusals.too_many_waiting(deployment.name, self._max_waiting)
        wake.waiting += 1
        try:
            turns = await self._awaited(deployment, wake)
            try:
                yield
            finally:
                turns.release()
        finally:
            wake.waiting -= 1
            if not wake.waiting:
                self._end(key, wake)

    async def _awaited(self, deployment: DeploymentRoute, wake: _Wake) -> asyncio.Semaphore:
        try:
            async with asyncio.timeout(self._limit):
                turns = await asyncio.shield(wake.task)
                if turns is None:
                    raise refusals.not_ready(deployment.name, deployment.state.value)
                await turns.acquire()
                return turns
        except TimeoutError:
            raise refusals.not_awake(deployment.name, self._limit) from None

    async def _woken(self, endpoint: str, deployment: DeploymentRoute) -> asyncio.Semaphore | None:
        key = deployment.workload_key
        if deployment.may_sleep:
            self._tally.add(Series(endpoint_subject(endpoint), "Wakes", (deployment.name,)))
            asked = WakeDeployment(endpoint=endpoint, deployment=deployment.name)
            await self._queue.send(SCALING_QUEUE, Message(asked.to_document()))
        elif not await self._restored(endpoint, deployment):
            return None
        loop = asyncio.get_running_loop()
        look_at, refresh_at = loop.time() + _ASK_AGAIN, 0.0
        while not (there := sum(each.workers for each in self._serving.instances(key))):
            await asyncio.sleep(_LOOK)
            if loop.time() >= refresh_at:
                refresh_at = loop.time() + _READ_AGAIN
                await self._serving.refresh([key])
            if loop.time() >= look_at:
                look_at = loop.time() + _ASK_AGAIN
                seen = await self._serving.observe(key)
                if seen is not None and seen.state is WorkloadState.FAILED:
                    return None
        workers = deployment.workers
        return asyncio.Semaphore(max(1, deployment.max_concurrent * there // workers))

    async def _restored(self, endpoint: str, deployment: DeploymentRoute) -> bool:
        """Whether it is on its way here. One that the compute does not know yet is brought up;
        while it is being changed, its own messages do that."""
        seen = await self._serving.observe(deployment.workload_key)
        if seen is None and deployment.state.is_terminal:
            try:
                seen = await self._bring_up(endpoint, deployment.name)
            except DomainError as error:
                _log.warning("%s of %s is not brought up: %s", deployment.name, endpoint, error)
                return False
            if seen is None:
                return False
        return seen is None or not (seen.served or seen.state is WorkloadState.FAILED)

    def _end(self, key: str, wake: _Wake) -> None:
        if self._wakes.get(key) is wake:
            del self._wakes[key]
        wake.task.cancel()
