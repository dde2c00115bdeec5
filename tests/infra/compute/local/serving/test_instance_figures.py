"""How busy real processes are, as two readers see it."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from infra.compute.local.serving.instance_figures import InstanceFigures, InstanceMeters
from infra.telemetry.metric_names import CAPACITY, CPU, DEPLOYMENTS, MEMORY, views
from tests.infra.compute.conftest import House
from tests.kit.waiting import eventually

KEY = "online/iris/blue"
BUSY = """
import threading

def spin():
    while True:
        pass

def init():
    threading.Thread(target=spin, daemon=True).start()

def run(data):
    return data
"""


async def test_an_instance_that_computes_shows_its_cores_and_memory_in_use(house: House) -> None:
    figures = InstanceFigures(house.compute.serving)
    assert figures.read() == []
    await house.serve(await house.workload(BUSY))
    [(_, instance)] = house.compute.serving.running()
    name = instance.id
    place = {"endpoint": "iris", "deployment": "blue", "instanceId": name}
    first = {each.name: each for each in figures.read()}
    assert first[CAPACITY].dimensions == {**place, "State": "Ready"}
    assert 0 < first[MEMORY].value < 100
    assert CPU not in first

    def utilization() -> float | None:
        return next((each.value for each in figures.read() if each.name == CPU), None)

    assert 0 < await eventually(utilization) < 150
    assert f'online_deployment_{CAPACITY}{{endpoint="iris",deployment="blue"' in figures.text()
    await house.end(KEY)
    assert figures.read() == []


async def test_the_same_is_told_to_opentelemetry_under_azures_names(house: House) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=views())
    InstanceMeters(house.compute.serving, provider)
    await house.serve(await house.workload(BUSY))

    def told() -> dict[str, tuple[str | None, Any]] | None:
        data: Any = reader.get_metrics_data()
        found = {
            metric.name: (metric.unit, point.value)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            if scope.scope.name == DEPLOYMENTS
            for metric in scope.metrics
            for point in metric.data.data_points
        }
        return found if CPU in found else None

    found = await eventually(told)
    assert found[CAPACITY] == ("Count", 1)
    assert found[CPU][0] == found[MEMORY][0] == "Percent"
