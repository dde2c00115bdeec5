"""Deployments on the compute: what of them should run, against what does."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Generic, TypeVar, final

from domain.errors import DomainError, Throttled, Unavailable
from domain.ports import Observation, Workloads, WorkloadState
from domain.provisioning.kind import D, KindTypes, KindWorkloads
from domain.provisioning.place import Place

W = TypeVar("W")

_GRACE = timedelta(seconds=10)
"""What requests in flight are given when a deployment is removed."""


@final
class DeploymentRunning(Generic[D]):
    """One kind's deployments: `wanted` says what of them is to run, `compute` runs it."""

    def __init__(
        self,
        types: KindTypes[Any, D],
        wanted: KindWorkloads[D, W],
        compute: Workloads[W, Observation],
    ) -> None:
        self._types = types
        self._wanted: KindWorkloads[D, Any] = wanted
        self._compute: Workloads[Any, Observation] = compute

    async def observe(self, place: Place) -> Observation | None:
        """None: nothing is known of it."""
        return await self._compute.observe(self._types.workload_key(place))

    async def is_wanted(self, seen: Observation, deployment: D) -> bool:
        """Whether the compute has been asked for the deployment as it is now."""
        wanted = await self._wanted.revision_and_count(deployment)
        return (seen.revision, seen.wanted) == wanted

    async def prepared(self, deployment: D) -> Callable[[], Awaitable[Observation]]:
        """What has the compute work towards the deployment, once it is called; what has failed
        is tried anew. Raises DomainError if something that the deployment points at is gone."""
        workload = await self._wanted.of(deployment)
        return lambda: self._compute.ensure(workload)

    async def look(self, deployment: D, step: int) -> Observation:
        """How far the deployment is. The first look of a chain sets the compute to work;
        later ones only when it has forgotten (a restart), for asking again revives what has
        failed."""
        if step:
            seen = await self.observe(Place.of(deployment))
            if seen and await self.is_wanted(seen, deployment):
                return seen
        try:
            ensure = await self.prepared(deployment)
        except (Throttled, Unavailable):
            raise
        except DomainError as error:
            return Observation("", WorkloadState.FAILED, 0, 0, error.code, error.message)
        return await ensure()

    async def remove(self, place: Place) -> bool:
        """True once nothing of it is left; call again until then."""
        return await self._compute.remove(self._types.workload_key(place), grace=_GRACE)

    async def places(self) -> Sequence[Place]:
        """The deployments that the compute knows of."""
        keys = await self._compute.keys()
        return [place for key in keys if (place := self._types.place_of_key(key))]
