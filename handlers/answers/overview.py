"""The whole workspace at a glance, as it is shown."""

from datetime import date, datetime

from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
from domain.jobs.records.job_status import JobStatus
from domain.online.traffic.traffic import Percentages
from domain.values import Value
from handlers.answers.batch import JobProgressAnswer
from handlers.answers.online import RolloutStatusAnswer


class Seen(Value):
    id: str
    name: str
    provisioning_state: ProvisioningState
    error: ErrorRecord | None
    cost_today: float


class Rated(Seen):
    """Over the last minutes; no latency where nobody asked."""

    requests_per_minute: float
    failures_per_minute: float
    latency_p95: float | None


class SeenOnlineDeployment(Rated):
    instances: int
    instance_type: str | None


class SeenOnlineEndpoint(Rated):
    auth_mode: str
    traffic: Percentages
    mirror_traffic: Percentages
    rollout_status: RolloutStatusAnswer | None
    tags: dict[str, str]
    deployments: list[SeenOnlineDeployment]


class SeenBatchEndpoint(Seen):
    default_deployment: str | None
    tags: dict[str, str]
    deployments: list[Seen]


class SeenJob(Value):
    id: str
    name: str
    endpoint_name: str
    deployment_name: str
    status: JobStatus
    created_at: datetime
    created_by: str
    progress: JobProgressAnswer | None
    cost_today: float


class CostsToday(Value):
    day: date
    currency: str
    is_sample: bool
    unpriced_instance_types: list[str]


class OverviewProperties(Value):
    rates_over_minutes: int
    costs_today: CostsToday
    online_endpoints: list[SeenOnlineEndpoint]
    batch_endpoints: list[SeenBatchEndpoint]
    jobs: list[SeenJob]


class OverviewAnswer(Value):
    """As much of the workspace as the caller may read."""

    id: str
    name: str
    type: str
    properties: OverviewProperties
