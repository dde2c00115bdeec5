"""How busy the instances of online deployments are, under Azure Monitor's names."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from infra.compute.local.instances.supervised_instance import SupervisedInstance
from infra.compute.local.processes.process_groups import cpu_seconds, resident_memory
from infra.telemetry.metric_names import CAPACITY, CPU, DEPLOYMENTS, MEMORY
from infra.telemetry.prometheus_text import head, line

_UNITS = {CAPACITY: "Count", CPU: "Percent", MEMORY: "Percent"}
_TOLD = {
    CAPACITY: "Instances of a deployment, by state.",
    CPU: "Of the instance's cores, since the last reading.",
    MEMORY: "Of the instance's memory.",
}
_SHORTEST = 0.05
"""Seconds between two readings of a processor's time that say something."""


class Running(Protocol):
    def running(self) -> list[tuple[str, SupervisedInstance]]: ...


@dataclass(frozen=True)
class Figure:
    """One value of the metric `name`, with its dimensions."""

    name: str
    value: float
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class _Reading:
    process: int
    at: float
    seconds: float
    percent: float | None


class InstanceFigures:
    """One reader's view: a processor's utilization is since this reader's last look, so each
    reader has its own. Any thread may read, one at a time."""

    def __init__(self, serving: Running) -> None:
        self._serving = serving
        self._last: dict[tuple[str, str], _Reading] = {}

    def read(self) -> list[Figure]:
        """Where the system does not tell, and on the first look at a process, its utilization
        is left out."""
        last, self._last = self._last, {}
        found: list[Figure] = []
        for key, instance in self._serving.running():
            _, endpoint, deployment = key.split("/", 2)
            dimensions = {"endpoint": endpoint, "deployment": deployment, "instanceId": instance.id}
            state = {**dimensions, "State": instance.state.value}
            found.append(Figure(CAPACITY, 1, state))
            process = instance.process
            if process is None:
                continue
            cores, memory = instance.share
            used = resident_memory(process)
            if used is not None and memory:
                found.append(Figure(MEMORY, round(100 * used / memory, 2), dimensions))
            place = key, instance.id
            reading = _utilization(process, cores, last.get(place))
            if reading is not None:
                self._last[place] = reading
                if reading.percent is not None:
                    found.append(Figure(CPU, round(reading.percent, 2), dimensions))
        return found

    def text(self) -> str:
        """Everything, in Prometheus' text format."""
        return "".join(f"{each}\n" for each in _lines(self.read()))


class InstanceMeters:
    """The same as OpenTelemetry gauges. Without an SDK nothing is read."""

    def __init__(self, serving: Running, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter(DEPLOYMENTS, meter_provider=provider)
        self._figures = InstanceFigures(serving)
        self._read: Sequence[Figure] = ()
        meter.create_observable_gauge(CAPACITY, [self._capacity], unit=_UNITS[CAPACITY])
        meter.create_observable_gauge(CPU, [self._cpu], unit=_UNITS[CPU])
        meter.create_observable_gauge(MEMORY, [self._memory], unit=_UNITS[MEMORY])

    def _capacity(self, _: CallbackOptions) -> list[Observation]:
        # A collection asks for the instruments in the order of their making.
        self._read = self._figures.read()
        return self._of(CAPACITY)

    def _cpu(self, _: CallbackOptions) -> list[Observation]:
        return self._of(CPU)

    def _memory(self, _: CallbackOptions) -> list[Observation]:
        return self._of(MEMORY)

    def _of(self, name: str) -> list[Observation]:
        return [
            Observation(each.value, dict(each.dimensions))
            for each in self._read
            if each.name == name
        ]


def _utilization(process: int, cores: float, last: _Reading | None) -> _Reading | None:
    # From before one look until after the next: one that takes long shows no more than was used.
    began, seconds, now = time.monotonic(), cpu_seconds(process), time.monotonic()
    if seconds is None:
        return None
    if last is None or last.process != process:
        return _Reading(process, began, seconds, None)
    if now - last.at < _SHORTEST:
        return last
    percent = 100 * max(0.0, seconds - last.seconds) / ((now - last.at) * cores)
    return _Reading(process, began, seconds, percent)


def _lines(figures: Sequence[Figure]) -> Iterator[str]:
    for name in (CAPACITY, CPU, MEMORY):
        full = f"online_deployment_{name}"
        yield from head(full, "gauge", _TOLD[name])
        for each in figures:
            if each.name == name:
                yield line(full, each.dimensions, each.value)
