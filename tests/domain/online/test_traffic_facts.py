"""Which facts follow from what was and what is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.events.event_filter import EventFilter
from domain.ground import facts
from domain.ground.facts import EventType
from domain.ground.keys import (
    SealedKey,
    SealedKeys,
)
from domain.ground.operation import ErrorRecord
from domain.jobs.records.batch_job import (
    BatchJob,
    Ending,
    InputKind,
    JobInput,
    JobOutput,
)
from domain.jobs.records.job_status import JobStatus
from domain.online.online_endpoint import (
    OnlineEndpoint,
    OnlineEndpointProperties,
)
from domain.online.rollout import (
    Rollout,
    RolloutPlan,
    RolloutState,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def endpoint(**changes: Any) -> OnlineEndpoint:
    key = SealedKey(sealed="s", digest="00")
    made = OnlineEndpoint(
        name="iris",
        location="here",
        properties=OnlineEndpointProperties(traffic={"blue": 100}),
        sealed_keys=SealedKeys(primary=key, secondary=key),
        created_at=NOW,
        created_by="me",
        modified_at=NOW,
        modified_by="me",
    )
    return made.but(**changes)


def rollout(**changes: Any) -> Rollout:
    step = {"traffic": {"green": 100}, "duration": "PT1M"}
    plan = RolloutPlan.model_validate({"steps": [step], "limits": {"errorRate": 0.1}})
    made = Rollout(
        id="r1", plan=plan, before={"blue": 100}, step_since=NOW, started_at=NOW, started_by="me"
    )
    return made.but(**changes)


def job(**changes: Any) -> BatchJob:
    made = BatchJob(
        name="job",
        endpoint="irises",
        deployment="blue",
        settings=BatchDeploymentProperties(),
        inputs=(JobInput(kind=InputKind.FOLDER, uri="u", container="c", path="p"),),
        output=JobOutput(container="c", folder="f", file_name="n", is_own_folder=True),
        created_at=NOW,
        created_by="me",
    )
    return made.but(**changes)


def types(told: list[facts.Fact]) -> list[str]:
    return [fact.type.name for fact in told]


def test_traffic_that_moves_is_told_with_what_it_was() -> None:
    moved = endpoint(properties=OnlineEndpointProperties(traffic={"green": 100, "blue": 0}))
    [told] = facts.traffic_moved(endpoint(), moved)
    assert told.type is EventType.TRAFFIC_CHANGED
    assert told.data["traffic"] == {"green": 100}
    assert told.data["trafficBefore"] == {"blue": 100}
    assert facts.traffic_moved(moved, moved.but(route_version=9)) == []


def test_a_rollout_is_told_from_its_start_to_its_end() -> None:
    begun = endpoint(rollout=rollout())
    assert types(facts.traffic_moved(endpoint(), begun)) == ["ROLLOUT_STARTED"]
    assert facts.traffic_moved(begun, begun.but(route_version=2)) == []
    for state, name in (
        (RolloutState.ROLLED_BACK, "ROLLOUT_ROLLED_BACK"),
        (RolloutState.COMPLETED, "ROLLOUT_COMPLETED"),
        (RolloutState.ENDED, "ROLLOUT_ENDED"),
    ):
        over = begun.but(rollout=rollout().over(state, "why", NOW))
        [told] = facts.traffic_moved(begun, over)
        assert (told.type.name, told.data["reason"]) == (name, "why")
        assert facts.traffic_moved(over, over.but(route_version=3)) == []
    other = begun.but(rollout=rollout(id="r2"))
    assert types(facts.traffic_moved(begun, other)) == ["ROLLOUT_ENDED", "ROLLOUT_STARTED"]


def test_a_job_is_told_at_each_of_its_turns() -> None:
    assert types(facts.job_moved(None, job())) == ["JOB_CREATED"]
    running = job(status=JobStatus.RUNNING)
    assert types(facts.job_moved(job(status=JobStatus.QUEUED), running)) == ["JOB_RUNNING"]
    assert facts.job_moved(running, running.but(tick=4)) == []
    error = ErrorRecord(code="ErrorThresholdExceeded", message="too many")
    finalizing = running.but(status=JobStatus.FINALIZING, ending=Ending(error=error))
    [told] = facts.job_moved(running, finalizing)
    assert told.type is EventType.JOB_ERROR_THRESHOLD_EXCEEDED
    failed = finalizing.but(status=JobStatus.FAILED, error=error)
    [told] = facts.job_moved(finalizing, failed)
    assert (told.type, told.data["error"]["message"]) == (EventType.JOB_FAILED, "too many")
    assert told.subject == "batchEndpoints/irises/jobs/job"
    assert told.data["output"] == {"datastore": "c", "path": "f/n"}
    for status in (JobStatus.COMPLETED, JobStatus.CANCELED):
        [told] = facts.job_moved(running, job(status=status))
        assert told.data["status"] == status.value


@pytest.mark.parametrize(
    ("patterns", "type", "fits"),
    [
        (None, "MlEndpoints.Job.Failed", True),
        (["MlEndpoints.Job.*"], "MlEndpoints.Job.Failed", True),
        (["mlendpoints.job.failed"], "MlEndpoints.Job.Failed", True),
        (["*"], "MlEndpoints.Drop.Sealed", True),
        (["MlEndpoints.Job.*", "MlEndpoints.Drop.Sealed"], "MlEndpoints.Drop.Sealed", True),
        (["MlEndpoints.Job.*"], "MlEndpoints.Drop.Sealed", False),
        ([], "MlEndpoints.Drop.Sealed", False),
    ],
)
def test_types_are_listed_or_begun(patterns: list[str] | None, type: str, fits: bool) -> None:
    assert EventFilter(included_event_types=patterns).lets_through(type, "s") is fits


@pytest.mark.parametrize("pattern", ["", "MlEndpoints.Job.Flown", "Job.*", "MlEndpoints.*.Failed"])
def test_a_type_that_never_comes_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        EventFilter(included_event_types=[pattern])


def test_subjects_are_filtered_at_both_ends() -> None:
    wanted = EventFilter(subject_begins_with="Batch", subject_ends_with="/JOB")
    assert wanted.lets_through("t", "batchEndpoints/irises/jobs/job")
    assert not wanted.but(is_subject_case_sensitive=True).lets_through("t", "batch/job")
    assert not wanted.lets_through("t", "onlineEndpoints/job")
