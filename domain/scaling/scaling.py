"""Keeps the autoscaled deployments at the size that their load asks for.

A `tick`, by a timer or by messages (scale_watching.py), asks the instances themselves (several
gateways may run, and none sees the whole load), decides, stores the decision, and has the compute
follow it. Whatever a crash leaves between the last two, the next tick sees and does.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import timedelta

from domain.errors import DocumentNotFound, DomainError, StaleETag
from domain.ground.messages import WakeDeployment
from domain.online.deployment_scale import DeploymentScale, from_document
from domain.online.deployment_scales import DeploymentScales, tell_scaled
from domain.online.online_deployment import workload_key
from domain.online.scale_following import ScaleFollowing
from domain.ports import (
    Clock,
    Document,
    Instance,
    InstanceLost,
    Scorer,
    ScoringRequest,
    Serving,
    WorkloadState,
)
from domain.scaling.scale_decision import Load, decide

TICK = timedelta(seconds=1)
"""How often the timer calls, and messages at most."""

_log = logging.getLogger("ml_endpoints.scaling")

_LOOK_LIMIT = 1.0
_AT_ONCE = 64
_NO_ROOM = "there is no room for more"
_LOOKS = 5
_LOAD = ScoringRequest("GET", "/load", "", (), b"")


class Scaling:
    """`idle_time` is how long nobody may have asked for a deployment before it sleeps."""

    def __init__(
        self,
        serving: Serving,
        scorer: Scorer,
        clock: Clock,
        following: ScaleFollowing,
        scales: DeploymentScales,
        *,
        idle_time: timedelta,
    ) -> None:
        self._scales = scales
        self._serving = serving
        self._scorer = scorer
        self._clock = clock
        self._following = following
        self._idle_time = idle_time
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def tick(self, since: timedelta) -> timedelta | None:
        """Look at every deployment that is awake and whose polling interval has begun within
        `since`, the time from the last look. One that cannot be looked at does not hold up the
        others. After how long the next of them begins; None when none is awake."""
        now = self._clock.now()
        soonest: timedelta | None = None
        continuation: str | None = None
        while True:
            found, continuation = await self._scales.page(continuation)
            scales = [from_document(document) for document in found]
            due = [d for d, scale in zip(found, scales, strict=True) if scale.is_due(now, since)]
            await asyncio.gather(*(self._look_safely(document) for document in due))
            begins = [scale.until_due(now) for scale in scales]
            soonest = min(begins if soonest is None else [soonest, *begins], default=None)
            if continuation is None:
                return soonest

    async def is_any_awake(self) -> bool:
        """Whether there is any that `tick` would look at."""
        return await self._scales.is_any_awake()

    async def wake(self, message: WakeDeployment) -> None:
        """Give a deployment that sleeps its first instance; waking twice is waking once."""
        for _ in range(_LOOKS):
            document = await self._scales.document(message.endpoint, message.deployment)
            if document is None:
                return
            scale = from_document(document)
            try:
                if scale.instances == 0:
                    await self._decide(document, scale, 1, "a request came while it slept")
                await self._following.bring_to_scale(scale.endpoint, scale.deployment)
                return
            except StaleETag:
                continue

    async def _look_safely(self, document: Document) -> None:
        async with self._places:
            try:
                await self._look(document)
            except (StaleETag, DocumentNotFound):
                return  # somebody else has decided, or it is gone
            except DomainError as error:
                _log.warning("The scale of %s was not looked at: %s", document.partition, error)
            except Exception:  # one bad deployment must not stop the scaling of the rest
                _log.exception("The scale of %s cannot be looked at", document.partition)

    async def _look(self, document: Document) -> None:
        scale = from_document(document)
        key = workload_key(scale.endpoint, scale.deployment)
        await self._serving.refresh([key])
        loads = await self._loads(self._serving.instances(key))
        then = decide(scale, loads, self._clock.now(), self._idle_time)
        if then.instances > scale.instances:
            then = await self._within_room(scale, then)
        if then != scale:
            document = await self._scales.replace(document, then)
            if then.last_decision != scale.last_decision:
                tell_scaled(then)
        seen = await self._serving.observe(key)
        # Beside one that serves, a failed update keeps its own count, and its logs.
        behind = seen is None or (
            seen.wanted != then.instances and seen.state is not WorkloadState.FAILED
        )
        if behind or then.instances != scale.instances:
            await self._follow(document, scale, then)

    async def _within_room(self, scale: DeploymentScale, then: DeploymentScale) -> DeploymentScale:
        """`then`, or as many more as there is room for: that it would be more is said once."""
        place = then.endpoint, then.deployment
        room = await self._following.room_for(*place, scale.instances, then.instances)
        if room.why is None:
            return then
        last = scale.last_decision
        if room.instances == scale.instances and last and last.reason.startswith(_NO_ROOM):
            return scale
        return scale.decided(self._clock.now(), room.instances, f"{_NO_ROOM}: {room.why}")

    async def _follow(
        self, document: Document, before: DeploymentScale, then: DeploymentScale
    ) -> None:
        seen = await self._following.bring_to_scale(then.endpoint, then.deployment)
        if seen is None or seen.state is not WorkloadState.FAILED or seen.code != "OutOfQuota":
            return
        fewer = max(before.instances if before.instances < then.instances else seen.ready, 1)
        if fewer < then.instances:
            await self._decide(document, then, fewer, f"{_NO_ROOM}: {seen.reason}")
            await self._following.bring_to_scale(then.endpoint, then.deployment)

    async def _decide(
        self, document: Document, scale: DeploymentScale, instances: int, reason: str
    ) -> None:
        then = scale.decided(self._clock.now(), instances, reason)
        await self._scales.replace(document, then)
        tell_scaled(then)

    async def _loads(self, instances: Sequence[Instance]) -> list[Load]:
        """What those that answer say; who does not answer says nothing of the load."""
        asked = await asyncio.gather(*(self._load(instance) for instance in instances))
        return [load for load in asked if load is not None]

    async def _load(self, instance: Instance) -> Load | None:
        try:
            response = await self._scorer.score(instance, _LOAD, timeout=_LOOK_LIMIT)
            if response.status != 200 or not isinstance(response.body, bytes):
                return None
        except (TimeoutError, InstanceLost):
            return None
        try:
            told = json.loads(response.body)
            return Load(
                requests=float(told["average"]),
                capacity=int(told["max_concurrent"]),
                idle=timedelta(seconds=float(told["idle_seconds"])),
                workers=instance.workers,
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            _log.warning("Instance %s says nonsense of its load: %s", instance.id, error)
            return None
