"""Every pair of states, against the diagram in the module's docstring."""

import itertools

import pytest

from domain.jobs.records.job_status import TRANSITIONS, JobStatus, JobTransitionRefused

S = JobStatus
ALLOWED = {
    (S.NOT_STARTED, S.PREPARING),
    (S.PREPARING, S.QUEUED),
    (S.QUEUED, S.RUNNING),
    (S.QUEUED, S.FINALIZING),
    (S.RUNNING, S.FINALIZING),
    (S.FINALIZING, S.COMPLETED),
    (S.FINALIZING, S.FAILED),
    (S.NOT_STARTED, S.FAILED),
    (S.PREPARING, S.FAILED),
    (S.QUEUED, S.FAILED),
    (S.NOT_STARTED, S.CANCEL_REQUESTED),
    (S.PREPARING, S.CANCEL_REQUESTED),
    (S.QUEUED, S.CANCEL_REQUESTED),
    (S.RUNNING, S.CANCEL_REQUESTED),
    (S.CANCEL_REQUESTED, S.CANCELED),
}


@pytest.mark.parametrize(("old", "new"), [*itertools.product(JobStatus, JobStatus)])
def test_a_job_moves_as_the_table_says_and_no_other_way(old: JobStatus, new: JobStatus) -> None:
    if (old, new) in ALLOWED:
        assert old.to(new) is new
    else:
        with pytest.raises(JobTransitionRefused, match=f"{old.value} cannot become {new.value}"):
            old.to(new)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(JobStatus)


def test_only_completed_failed_and_canceled_end_a_job() -> None:
    assert {s for s in JobStatus if s.is_terminal} == {S.COMPLETED, S.FAILED, S.CANCELED}


def test_a_job_can_be_canceled_until_its_results_are_joined() -> None:
    able = {s for s in JobStatus if s.can_be_canceled}
    assert able == {S.NOT_STARTED, S.PREPARING, S.QUEUED, S.RUNNING}
