"""Which events a filter means."""

import pytest
from pydantic import ValidationError

from domain.events.event_filter import EventFilter


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
