"""How fast a job goes."""

import itertools

from domain.jobs.records.job_pace import Mark, marked, pace
from domain.jobs.records.job_progress import Progress, Tally
from domain.jobs.records.job_times import JobTimes

SLOW = 1.0
TIMES = JobTimes()
ONE = Tally(succeeded_mini_batches=1, succeeded_files=3, rows=9)


def progress(units: int = 1000) -> Progress:
    return Progress(units=units, mini_batches=units, files=3 * units, window=2, error_threshold=-1)


def test_nothing_is_known_before_the_first_record() -> None:
    opened, _ = progress().open(100.0, TIMES)
    assert progress().pace(100.0) is None
    assert opened.pace(110.0) is None


def test_the_pace_is_that_of_the_last_minute_of_a_fast_job() -> None:
    now, (running, _) = 0.0, progress().open(0.0, TIMES)
    for unit in range(100):
        now += 10.0
        running, _ = running.record({unit: ONE}, SLOW, now, TIMES)
    for unit in range(100, 500):
        now += 0.5
        running, _ = running.record({unit: ONE}, SLOW, now, TIMES)
    found = running.pace(now)
    assert found is not None
    assert abs(found.mini_batches_per_second - 2.0) < 0.1
    assert abs(found.files_per_second - 6.0) < 0.3
    assert abs(found.seconds_left - 250) < 15
    assert len(running.marks) <= 13


def test_a_slow_job_has_a_pace_too_and_one_that_stalls_slows_down() -> None:
    running, _ = progress().open(0.0, TIMES)
    for unit in range(3):
        running, _ = running.record({unit: ONE}, SLOW, 600.0 * (unit + 1), TIMES)
    soon, late = running.pace(1800.0), running.pace(3600.0)
    assert soon is not None
    assert late is not None
    assert soon.mini_batches_per_second == 3 / 1800
    assert late.mini_batches_per_second == 3 / 3600


def test_a_job_that_is_over_has_none() -> None:
    running, _ = progress(1).open(0.0, TIMES)
    ended, _ = running.record({0: ONE}, SLOW, 5.0, TIMES)
    assert ended.pace(6.0) is None
    assert running.close().pace(6.0) is None


def test_marks_are_bounded_and_apart() -> None:
    marks: tuple[Mark, ...] = ()
    for second in range(1000):
        marks = marked(marks, Mark(at=float(second), mini_batches=second))
    assert len(marks) == 13
    assert {b.at - a.at for a, b in itertools.pairwise(marks)} == {5.0}
    assert pace((), marks[-1], 3) is None
