"""The whole application as one record: what handlers are given."""

from dataclasses import dataclass

from domain.asset_registration import AssetRegistration
from domain.batch_invocation import BatchInvocation
from domain.batch_jobs import BatchJobs
from domain.batch_provisioning import BatchProvisioning
from domain.batch_supervision import BatchSupervision
from domain.blob_dropping import BlobDropping
from domain.compute_target import ComputeTargets
from domain.datastore import Datastores
from domain.guarded_rollout import GuardedRollout
from domain.job_workers import JobWorkers
from domain.mini_batch_scoring import MiniBatchScoring
from domain.names import WorkspaceScope
from domain.online_provisioning import OnlineProvisioning
from domain.online_scoring import OnlineScoring
from domain.operation import Operations
from domain.ports import TokenVerifier
from domain.scaling import Scaling
from domain.shadow_reporting import ShadowReporting
from domain.sweeping import Sweeping
from domain.token_issuing import TokenIssuing


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
    invocation: BatchInvocation
    jobs: BatchJobs
    supervision: BatchSupervision
    mini_batches: MiniBatchScoring
    workers: JobWorkers
    dropping: BlobDropping
    scaling: Scaling
    sweeping: Sweeping
