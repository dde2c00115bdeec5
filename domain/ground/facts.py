"""The facts that other systems are told, and how each follows from what changed.

Pure rules: what was and what is give the facts. Types, subjects and data are a promise to
subscribers (docs/events.md).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self
from uuid import uuid4

from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_status import JobStatus
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.rollout import RolloutState
from domain.ports import Json
from domain.values import Value

EndpointKind = Literal["onlineEndpoints", "batchEndpoints"]


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


_T = EventType

_ENDPOINT = {
    "onlineEndpoints": {
        "created": _T.ONLINE_ENDPOINT_CREATED,
        "updated": _T.ONLINE_ENDPOINT_UPDATED,
        "deleted": _T.ONLINE_ENDPOINT_DELETED,
    },
    "batchEndpoints": {
        "created": _T.BATCH_ENDPOINT_CREATED,
        "updated": _T.BATCH_ENDPOINT_UPDATED,
        "deleted": _T.BATCH_ENDPOINT_DELETED,
    },
}
_DEPLOYMENT = {
    "onlineEndpoints": {
        "ready": _T.ONLINE_DEPLOYMENT_READY,
        "failed": _T.ONLINE_DEPLOYMENT_FAILED,
        "deleted": _T.ONLINE_DEPLOYMENT_DELETED,
    },
    "batchEndpoints": {
        "ready": _T.BATCH_DEPLOYMENT_READY,
        "failed": _T.BATCH_DEPLOYMENT_FAILED,
        "deleted": _T.BATCH_DEPLOYMENT_DELETED,
    },
}
_JOB = {
    JobStatus.RUNNING: _T.JOB_RUNNING,
    JobStatus.COMPLETED: _T.JOB_COMPLETED,
    JobStatus.FAILED: _T.JOB_FAILED,
    JobStatus.CANCELED: _T.JOB_CANCELED,
}
_OVER = {
    RolloutState.COMPLETED: _T.ROLLOUT_COMPLETED,
    RolloutState.ROLLED_BACK: _T.ROLLOUT_ROLLED_BACK,
    RolloutState.ENDED: _T.ROLLOUT_ENDED,
}


class Fact(Value):
    """`subject` is a path below the workspace."""

    type: EventType
    subject: str
    data: Json


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


def ended(
    kind: EndpointKind,
    resource: TrackedResource,
    state: ProvisioningState,
    error: ErrorRecord | None = None,
) -> list[Fact]:
    """The operation that `resource` was in has ended in `state`; or a deployment that had
    succeeded has died."""
    data = _resource_data(resource)
    if "endpoint" in data and "deployment" in data:
        word = "ready" if state is ProvisioningState.SUCCEEDED else "failed"
        if error is not None:
            data["error"] = error.to_document()
        return [Fact(type=_DEPLOYMENT[kind][word], subject=_subject(kind, resource), data=data)]
    word = "created" if resource.provisioning_state is ProvisioningState.CREATING else "updated"
    return [Fact(type=_ENDPOINT[kind][word], subject=_subject(kind, resource), data=data)]


def deleted(kind: EndpointKind, *resources: TrackedResource) -> list[Fact]:
    """They are gone."""
    return [
        Fact(
            type=(_DEPLOYMENT if hasattr(gone, "endpoint") else _ENDPOINT)[kind]["deleted"],
            subject=_subject(kind, gone),
            data=_resource_data(gone),
        )
        for gone in resources
    ]


def traffic_moved(old: TrackedResource | None, new: TrackedResource) -> list[Fact]:
    """What an online endpoint's traffic and rollout have become; nothing for other kinds."""
    if not isinstance(new, OnlineEndpoint):
        return []
    was = old if isinstance(old, OnlineEndpoint) else None
    subject = _subject("onlineEndpoints", new)
    facts: list[Fact] = []
    before = _live(was.properties.traffic) if was else {}
    traffic = _live(new.properties.traffic)
    if before != traffic:
        data = {"endpoint": new.name, "traffic": traffic, "trafficBefore": before}
        facts.append(Fact(type=_T.TRAFFIC_CHANGED, subject=subject, data=data))
    rollout, known = new.rollout, was.rollout if was else None
    if rollout is None:
        return facts
    is_new = known is None or known.id != rollout.id
    if is_new and known is not None and known.running and was is not None:
        # A new plan takes the place of one that was under way.
        data = {"endpoint": new.name, "rollout": known.id, "reason": "Another rollout began."}
        facts.append(Fact(type=_T.ROLLOUT_ENDED, subject=subject, data=data))
    told: Json = {"endpoint": new.name, "rollout": rollout.id, "traffic": traffic}
    if is_new:
        facts.append(Fact(type=_T.ROLLOUT_STARTED, subject=subject, data=told))
    if not rollout.running and (is_new or known is None or known.running):
        told = {**told, "step": rollout.step, "reason": rollout.reason}
        facts.append(Fact(type=_OVER[rollout.state], subject=subject, data=told))
    return facts


def job_moved(old: BatchJob | None, new: BatchJob) -> list[Fact]:
    """What has become of a batch job."""
    if old is None:
        return [_job_fact(_T.JOB_CREATED, new)]
    facts: list[Fact] = []
    ending = new.ending.error if new.ending else None
    if old.ending is None and ending is not None and ending.code == "ErrorThresholdExceeded":
        facts.append(_job_fact(_T.JOB_ERROR_THRESHOLD_EXCEEDED, new, ending))
    if new.status is not old.status and new.status in _JOB:
        facts.append(_job_fact(_JOB[new.status], new, new.error))
    return facts


def drop_sealed(endpoint: str, drop: str, files: int) -> list[Fact]:
    """A drop is complete; its job comes next, unless it has no file to score."""
    data = {"endpoint": endpoint, "drop": drop, "files": files}
    return [Fact(type=_T.DROP_SEALED, subject=f"batchEndpoints/{endpoint}", data=data)]


def _job_fact(type: EventType, job: BatchJob, error: ErrorRecord | None = None) -> Fact:
    data: Json = {
        "job": job.name,
        "endpoint": job.endpoint,
        "deployment": job.deployment,
        "status": job.status.value,
        "createdBy": job.created_by,
    }
    if job.tags:
        data["tags"] = dict(job.tags)
    if job.status.is_terminal:
        data["output"] = {"datastore": job.output.container, "path": job.output.path}
    if error is not None:
        data["error"] = error.to_document()
    return Fact(type=type, subject=f"batchEndpoints/{job.endpoint}/jobs/{job.name}", data=data)


def _resource_data(resource: TrackedResource) -> Json:
    owner = getattr(resource, "endpoint", None)
    if owner is None:
        return {"endpoint": resource.name}
    return {"endpoint": owner, "deployment": resource.name}


def _subject(kind: EndpointKind, resource: TrackedResource) -> str:
    owner = getattr(resource, "endpoint", None)
    if owner is None:
        return f"{kind}/{resource.name}"
    return f"{kind}/{owner}/deployments/{resource.name}"


def _live(traffic: Mapping[str, int]) -> dict[str, int]:
    return {name: percent for name, percent in traffic.items() if percent}
