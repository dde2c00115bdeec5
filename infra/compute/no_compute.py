"""No compute: nothing can be deployed, and whoever tries is told why."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from domain.errors import Invalid, Unsupported
from domain.ports import (
    Capabilities,
    Capacity,
    EnvironmentBuild,
    EnvironmentSpec,
    Instance,
    InstanceLost,
    InstanceSize,
    IsolationPart,
    LogKind,
    Observation,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    Serving,
    ServingObservation,
    ServingWorkload,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
    WorkloadState,
)

REASON = (
    "This installation has no managed compute: ml-endpoints cannot run models in Azure yet, and "
    "ML_ENDPOINTS_COMPUTE names no other. Run the embedded host to deploy this."
)
CODE = "ResourceNotReady"


async def nothing() -> None:
    """Nothing is begun, and nothing left to end."""


class NoCapabilities(Capabilities):
    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        return [REASON]

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        return ()

    async def pinned(self, image: str) -> str:
        return image

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return None

    def triton(self) -> EnvironmentSpec:
        raise Unsupported(REASON)

    def size(self, instance_type: str | None) -> InstanceSize:
        raise Invalid(REASON, target="instanceType")

    def sizes(self) -> Mapping[str, InstanceSize]:
        return {}

    def capacities(self) -> Sequence[Capacity]:
        return ()

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        return REASON

    async def closing_fault(self) -> str | None:
        return None

    def isolation(self) -> Sequence[IsolationPart]:
        return ()


class NoServing(Serving):
    """Runs nothing. What was wanted of another compute before shows as failed."""

    async def ensure(self, workload: ServingWorkload) -> ServingObservation:
        wanted = workload.instance_count
        return ServingObservation(
            workload.revision, WorkloadState.FAILED, 0, wanted, code=CODE, reason=REASON
        )

    async def observe(self, key: str) -> ServingObservation | None:
        return None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        return True

    async def keys(self) -> Sequence[str]:
        return ()

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return ""

    def instances(self, key: str) -> Sequence[Instance]:
        return ()

    async def refresh(self, keys: Sequence[str]) -> None: ...


class NoScorer(Scorer):
    """Beside NoServing, whose instances there are none of."""

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        raise InstanceLost(REASON, sent=False)


class NoWorkers(Workers):
    """As NoServing, for jobs."""

    @property
    def holder(self) -> str | None:
        return None

    async def ensure(self, workload: WorkersWorkload) -> Observation:
        wanted = workload.worker_count
        return Observation(
            workload.revision, WorkloadState.FAILED, 0, wanted, code=CODE, reason=REASON
        )

    async def observe(self, key: str) -> Observation | None:
        return None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        return True

    async def keys(self) -> Sequence[str]:
        return ()

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return ""

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        return UnitOutcome((), lost=REASON)
