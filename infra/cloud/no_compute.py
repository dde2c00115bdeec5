"""Azure without managed compute: nothing can be deployed, and whoever tries is told why."""

from collections.abc import Sequence
from datetime import timedelta

from domain.errors import Invalid
from domain.ports import (
    Compute,
    EnvironmentSpec,
    Instance,
    InstanceLost,
    LogKind,
    Observation,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    UnitOutcome,
    UnitRequest,
    Workload,
    WorkloadKind,
    WorkloadState,
)

REASON = (
    "This installation has no managed compute: ml-endpoints cannot run models in Azure yet. "
    "Run the embedded host to deploy this."
)
CODE = "ResourceNotReady"


class NoCompute(Compute):
    """Runs nothing. What was wanted of another compute before shows as failed."""

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        return [REASON]

    def size(self, instance_type: str | None) -> tuple[float, int]:
        raise Invalid(REASON, target="instanceType")

    async def ensure(self, workload: Workload) -> Observation:
        return Observation(
            workload.revision,
            WorkloadState.FAILED,
            ready=0,
            wanted=workload.instance_count,
            serving=False,
            code=CODE,
            reason=REASON,
        )

    async def observe(self, key: str) -> Observation | None:
        return None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        return True

    async def keys(self, kind: WorkloadKind) -> Sequence[str]:
        return ()

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return ""

    def instances(self, key: str) -> Sequence[Instance]:
        return ()


class NoScorer(Scorer):
    """Beside NoCompute, whose instances there are none of."""

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        raise InstanceLost(REASON, sent=False)

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        return UnitOutcome((), lost=REASON)
