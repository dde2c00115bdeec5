"""The facts that other systems are told. How each follows from what changed stands with the
feature that changes: its own `*_facts` module.

Types, subjects and data are a promise to subscribers (docs/events.md).
"""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import uuid4

from domain.ports import Json
from domain.values import Value


class EventType(StrEnum):
    """CloudEvents `type`s."""

    ONLINE_ENDPOINT_CREATED = "MlEndpoints.OnlineEndpoint.Created"
    ONLINE_ENDPOINT_UPDATED = "MlEndpoints.OnlineEndpoint.Updated"
    ONLINE_ENDPOINT_DELETED = "MlEndpoints.OnlineEndpoint.Deleted"
    TRAFFIC_CHANGED = "MlEndpoints.OnlineEndpoint.TrafficChanged"
    ROLLOUT_STARTED = "MlEndpoints.OnlineEndpoint.RolloutStarted"
    ROLLOUT_COMPLETED = "MlEndpoints.OnlineEndpoint.RolloutCompleted"
    ROLLOUT_ROLLED_BACK = "MlEndpoints.OnlineEndpoint.RolloutRolledBack"
    ROLLOUT_ENDED = "MlEndpoints.OnlineEndpoint.RolloutEnded"
    ONLINE_DEPLOYMENT_READY = "MlEndpoints.OnlineDeployment.Ready"
    ONLINE_DEPLOYMENT_FAILED = "MlEndpoints.OnlineDeployment.Failed"
    ONLINE_DEPLOYMENT_DELETED = "MlEndpoints.OnlineDeployment.Deleted"
    BATCH_ENDPOINT_CREATED = "MlEndpoints.BatchEndpoint.Created"
    BATCH_ENDPOINT_UPDATED = "MlEndpoints.BatchEndpoint.Updated"
    BATCH_ENDPOINT_DELETED = "MlEndpoints.BatchEndpoint.Deleted"
    BATCH_DEPLOYMENT_READY = "MlEndpoints.BatchDeployment.Ready"
    BATCH_DEPLOYMENT_FAILED = "MlEndpoints.BatchDeployment.Failed"
    BATCH_DEPLOYMENT_DELETED = "MlEndpoints.BatchDeployment.Deleted"
    JOB_CREATED = "MlEndpoints.Job.Created"
    JOB_RUNNING = "MlEndpoints.Job.Running"
    JOB_ERROR_THRESHOLD_EXCEEDED = "MlEndpoints.Job.ErrorThresholdExceeded"
    JOB_COMPLETED = "MlEndpoints.Job.Completed"
    JOB_FAILED = "MlEndpoints.Job.Failed"
    JOB_CANCELED = "MlEndpoints.Job.Canceled"
    DROP_SEALED = "MlEndpoints.Drop.Sealed"
    BUDGET_PASSED = "MlEndpoints.Budget.Passed"
    ALERT_FIRED = "MlEndpoints.Alert.Fired"
    ALERT_RESOLVED = "MlEndpoints.Alert.Resolved"


class Fact(Value):
    """`subject` is a path below the workspace. The `generation` that it is about, and the
    `operation` that made it so, where one did, are for the log."""

    type: EventType
    subject: str
    data: Json
    generation: int | None = None
    operation: str | None = None


class Event(Value):
    """A fact on its way to subscribers. `id` is the same however often it is delivered."""

    id: str
    type: str
    subject: str
    time: datetime
    data: Json

    @classmethod
    def of(cls, fact: Fact, now: datetime) -> Self:
        return cls(
            id=str(uuid4()), type=fact.type.value, subject=fact.subject, time=now, data=fact.data
        )

    def to_cloud_event(self, source: str) -> Json:
        """In CloudEvents 1.0's JSON format; `source` is the workspace's ARM id."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "data": self.data,
        }
