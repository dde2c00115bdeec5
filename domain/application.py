"""The whole application as one record: what handlers are given."""

from dataclasses import dataclass

from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import Datastores
from domain.batch.batch_provisioning import BatchProvisioning
from domain.batch.compute_target import ComputeTargets
from domain.drops.blob_dropping import BlobDropping
from domain.events.activities import EventActivities
from domain.ground.operation import Operations
from domain.ground.sweeping import Sweeping
from domain.inbound.activities import InboundActivities
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.names import WorkspaceScope
from domain.online.online_provisioning import OnlineProvisioning
from domain.online.token_issuing import TokenIssuing
from domain.ports import TokenVerifier
from domain.rollout.guarded_rollout import GuardedRollout
from domain.rollout.shadow_reporting import ShadowReporting
from domain.scaling.scaling import Scaling
from domain.schedules.schedules import Schedules
from domain.schedules.scheduling import Scheduling
from domain.scoring.online_scoring import OnlineScoring


@dataclass(frozen=True)
class Application:
    """Built once by infra/composition.py; every trigger shares it. Schedules are
    NCRONTAB, six fields. `inbox_by_event_grid`: the Functions host is told of blobs in the
    inbox, and need not poll."""

    scope: WorkspaceScope
    location: str
    base_url: str
    verifier: TokenVerifier
    sweep_schedule: str
    restore_schedule: str
    inbox_by_event_grid: bool
    operations: Operations
    assets: AssetRegistration
    datastores: Datastores
    computes: ComputeTargets
    online: OnlineProvisioning
    batch: BatchProvisioning
    tokens: TokenIssuing
    rollouts: GuardedRollout
    shadow_reports: ShadowReporting
    scoring: OnlineScoring
    cors_origins: tuple[str, ...]
    invocation: JobInvocation
    jobs: BatchJobs
    supervision: JobSupervision
    units: UnitDelivery
    workers: JobWorkers
    dropping: BlobDropping
    schedules: Schedules
    scheduling: Scheduling
    retention: JobRetention
    events: EventActivities
    inbound: InboundActivities
    scaling: Scaling
    sweeping: Sweeping

    async def close(self) -> None:
        """For a host that stops, once nothing is triggered any more."""
        await self.scoring.close()
