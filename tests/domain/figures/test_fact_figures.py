"""What is told of jobs and drops, over time."""

from domain.drops.drop_facts import drop_sealed
from domain.figures.fact_figures import FactFigures
from domain.ground.counting.tally import MOST, Tally
from domain.ground.facts import EventType, Fact
from domain.ports.records.figure_store import Series

SUBJECT = "batchendpoints/scores"


def job(type: EventType) -> Fact:
    data = {"job": "j1", "endpoint": "Scores", "deployment": "blue", "status": "x"}
    return Fact(type=type, subject="batchEndpoints/Scores/jobs/j1", data=data)


def totals(tally: Tally) -> dict[Series, float]:
    return {series: amounts.total for series, amounts in tally.take()}


def test_jobs_are_counted_by_the_statuses_they_come_to_and_drops_with_their_files() -> None:
    tally = Tally()
    figures = FactFigures(tally)
    figures.saved([job(EventType.JOB_CREATED)])
    figures.saved([job(EventType.JOB_RUNNING), job(EventType.JOB_ERROR_THRESHOLD_EXCEEDED)])
    figures.saved([job(EventType.JOB_FAILED), *drop_sealed("Scores", "d", 12)])
    figures.saved([job(EventType.JOB_CREATED), *drop_sealed("Scores", "e", 3)])
    assert totals(tally) == {
        Series(SUBJECT, "Jobs", ("blue", "Created")): 2,
        Series(SUBJECT, "Jobs", ("blue", "Running")): 1,
        Series(SUBJECT, "Jobs", ("blue", "Failed")): 1,
        Series(SUBJECT, "DropsSealed"): 2,
        Series(SUBJECT, "DroppedFiles"): 15,
    }
    assert totals(tally) == {}


def test_who_takes_is_told_once_that_there_is_something_and_series_are_bounded() -> None:
    tally, told = Tally(), list[int]()
    tally.tell(lambda: told.append(1))
    for number in range(MOST + 5):
        tally.add(Series("", str(number)))
    tally.add(Series("", "0"))
    assert told == [1]
    found = totals(tally)
    assert (len(found), found[Series("", "0")]) == (MOST, 2)
    tally.add(Series("", "0"))
    assert told == [1, 1]
