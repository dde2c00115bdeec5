"""How busy instances are, looked at now and then."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from domain.figures.deployment_measuring import DeploymentMeasuring, Measured
from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.metric_query import MetricQuery, Term
from domain.figures.metrics import CATALOGUES, DEPLOYMENTS, Aggregation
from domain.figures.outside_figures import NoOutsideFigures
from domain.ground.counting.tally import deployment_subject
from domain.online.online_deployment import workload_key
from domain.ports import Instance, InstanceLost, ScoringRequest
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing
from tests.kit.scorers import ScriptedScorer, says
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

KEY = workload_key("iris", "blue")
LOAD = {"max_concurrent": 4, "average": 1.0, "in_flight": 3, "queued": 2}


class Place:
    """One host that looks every half minute, and what its store has then."""

    def __init__(self, processes: Any = None) -> None:
        self.clock = HeldClock()
        self.serving, self.scorer = StaticServing(), ScriptedScorer()
        store = MemoryResourceStore(self.clock.unix)
        days = timedelta(days=1)
        self.figures = DocumentFigureStore(store, minutes=days, hours=days)
        self.gathering = FigureGathering(self.figures, self.clock, (), capacity=100)
        self.measuring = DeploymentMeasuring(
            *(self.serving, self.scorer, self.clock, self.gathering, processes)
        )
        self.reading = FigureReading(self.figures, self.gathering, self.clock, NoOutsideFigures())

    def says(self, **load: Any) -> None:
        told = json.dumps({**LOAD, **load}).encode()
        self.scorer.script = lambda instance, request: says(body=told)

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.measuring.look()
            self.clock.move(30)
        await self.gathering.flush()

    async def found(self, name: str, *terms: Term) -> list[Mapping[Aggregation, float]]:
        """Of the hour."""
        now = int(self.clock.time)
        metric = CATALOGUES[DEPLOYMENTS][name.casefold()]
        subject = deployment_subject("iris", "blue")
        query = MetricQuery(subject, (metric,), now - 3600, now + 1, None, terms=terms)
        [answer] = await self.reading.read(query)
        return [line.points[0].values for line in answer.lines]

    async def average(self, name: str) -> float | None:
        [values] = await self.found(name)
        return values.get(Aggregation.AVERAGE)


@pytest.fixture
def place() -> Place:
    return Place()


async def test_instances_say_what_they_are_at(place: Place) -> None:
    place.serving.start("iris", "blue")
    place.says()
    await place.look()
    assert await place.average("RequestsInProgress") == 3
    assert await place.average("RequestsWaiting") == 2
    assert await place.average("RequestUtilizationPercentage") == 25
    assert await place.average("DeploymentCapacity") == 1
    assert [line for _, request, _ in place.scorer.asked if (line := request.path)] == ["/load"]


async def test_a_node_says_what_it_takes_of_its_machine(place: Place) -> None:
    place.serving.start("iris", "blue")
    memory = {"memory_bytes": 300, "memory_limit_bytes": 1200}
    place.says(cpu_seconds=10.0, cores=2.0, **memory)
    await place.look()
    # Of one look nothing is known of what was used between two.
    assert await place.average("CpuUtilizationPercentage") is None
    place.says(cpu_seconds=25.0, cores=2.0, **memory)
    await place.look()
    assert await place.average("CpuUtilizationPercentage") == 25
    assert await place.average("CpuMemoryUtilizationPercentage") == 25
    # It was started again: what it has used is less than before.
    place.says(cpu_seconds=1.0, cores=2.0, **memory)
    await place.look()
    assert await place.average("CpuUtilizationPercentage") == 25


async def test_this_hosts_processes_are_seen_from_outside() -> None:
    seen = [
        Measured(KEY, "DeploymentCapacity", ("one", "Ready"), 1),
        Measured(KEY, "DeploymentCapacity", ("two", "Starting"), 1),
        Measured(KEY, "CpuUtilizationPercentage", ("one",), 40.0),
    ]
    place = Place(lambda: seen)
    place.serving.start("iris", "blue")
    place.says()
    await place.look()
    by_state = await place.found("DeploymentCapacity", Term("State"))
    assert [each[Aggregation.AVERAGE] for each in by_state] == [1, 1]
    assert await place.average("DeploymentCapacity") == 2
    assert await place.average("CpuUtilizationPercentage") == 40


async def test_an_instance_that_was_there_half_of_the_time_is_half_of_one(place: Place) -> None:
    place.serving.start("iris", "blue")
    place.says()
    await place.look(4)
    place.serving.ready[KEY] = [Instance("another", "/run/another")]
    await place.look(4)
    assert await place.average("DeploymentCapacity") == 1
    place.serving.ready[KEY] = []
    await place.look(8)
    assert await place.average("DeploymentCapacity") == 0.5


async def test_what_several_hosts_see_of_one_instance_is_one(place: Place) -> None:
    place.serving.start("iris", "blue")
    place.says()
    other = FigureGathering(place.figures, place.clock, (), capacity=100)
    await DeploymentMeasuring(place.serving, place.scorer, place.clock, other, None).look()
    await other.close()
    await place.look()
    assert await place.average("DeploymentCapacity") == 1
    assert await place.average("RequestsWaiting") == 2


@pytest.mark.parametrize(
    "answer",
    [
        InstanceLost("gone", sent=False),
        TimeoutError(),
        says(503),
        says(body=b"no json"),
        says(body=b"[]"),
        says(body=b'{"max_concurrent": "many"}'),
        says(body=b'{"max_concurrent": 4, "average": NaN, "in_flight": 1, "queued": 0}'),
        says(body=b'{"max_concurrent": 4, "average": 1e999, "in_flight": 1, "queued": 0}'),
        says(body=b'{"max_concurrent": 4, "average": -1, "in_flight": 1, "queued": 0}'),
        says(body=100_000 * b"["),
    ],
    ids=[
        *("lost", "late", "refused", "no json", "no object", "nonsense"),
        *("no number", "endless", "negative", "deep"),
    ],
)
async def test_what_does_not_answer_has_no_load_and_holds_nobody_up(
    place: Place, answer: Any
) -> None:
    place.serving.start("iris", "blue")

    def script(instance: Instance, request: ScoringRequest) -> Any:
        return answer

    place.scorer.script = script
    await place.look()
    assert await place.average("DeploymentCapacity") == 1
    assert await place.average("RequestUtilizationPercentage") is None
