"""How busy the instances of online deployments are, looked at now and then.

Instances say themselves how many requests they have; what a process takes of the machine says
whoever runs it: this host, of its own processes, or a node of what is in it. What nobody says is
not kept.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.errors import DomainError
from domain.figures.figure_gathering import FigureGathering
from domain.figures.metrics import LOOKS
from domain.ground.counting.tally import deployment_subject
from domain.ports import Clock, Instance, InstanceLost, Scorer, ScoringRequest, Serving
from domain.ports.records.figure_store import Series

_log = logging.getLogger("ml_endpoints.figures")

_AT_ONCE = 32
_LOOK_LIMIT = 2.0
_READY = "Ready"
_MOST = 1e15
"""No figure comes near it. What is more, or no number at all (NaN), is left out: no store takes
it, and it would hold up the rest."""
_LOAD = ScoringRequest("GET", "/load", "", (), b"")


class Measured(NamedTuple):
    """One value of a metric of an instance, whose workload is `key`."""

    key: str
    metric: str
    dimensions: tuple[str, ...]
    value: float


MeasureProcesses = Callable[[], Sequence[Measured]]
"""What this host sees of the processes it runs itself; asked off the event loop, one at a time."""


@dataclass(frozen=True)
class _Used:
    """What a node had used of its processors by then."""

    at: float
    seconds: float


class DeploymentMeasuring:
    """`processes` is None where instances run elsewhere."""

    def __init__(
        self,
        serving: Serving,
        scorer: Scorer,
        clock: Clock,
        gathering: FigureGathering,
        processes: MeasureProcesses | None,
    ) -> None:
        self._serving = serving
        self._scorer = scorer
        self._clock = clock
        self._gathering = gathering
        self._processes = processes
        self._used: dict[str, _Used] = {}
        self._one_look = asyncio.Lock()

    async def look(self) -> None:
        """At every deployment that this host's compute knows. One that does not answer does not
        hold up the others."""
        if self._one_look.locked():
            return
        async with self._one_look:
            keys = await self._serving.keys()
            if not keys:
                return
            await self._serving.refresh(keys)
            used, self._used = self._used, {}
            seen = [] if self._processes is None else await asyncio.to_thread(self._processes)
            turns = asyncio.Semaphore(_AT_ONCE)

            async def load(key: str, instance: Instance) -> list[Measured]:
                async with turns:
                    return self._of_load(key, instance, await self._load(instance), used)

            instances = [(key, each) for key in keys for each in self._serving.instances(key)]
            told = await asyncio.gather(*(load(key, each) for key, each in instances))
            if self._processes is None:
                seen = [Measured(k, "DeploymentCapacity", (i.id, _READY), 1) for k, i in instances]
            self._keep(keys, [*seen, *(each for one in told for each in one)])

    def _keep(self, keys: Sequence[str], measured: Sequence[Measured]) -> None:
        for key in keys:
            self._gathering.measured(Series(_subject(key), LOOKS), 1)
        for each in measured:
            series = Series(_subject(each.key), each.metric, each.dimensions)
            self._gathering.measured(series, each.value)

    async def _load(self, instance: Instance) -> Mapping[str, Any]:
        try:
            answer = await self._scorer.score(instance, _LOAD, timeout=_LOOK_LIMIT)
            if answer.status != 200 or not isinstance(answer.body, bytes):
                return {}
            told = json.loads(answer.body)
        except (TimeoutError, InstanceLost, DomainError, ValueError, RecursionError) as error:
            _log.debug("Instance %s does not say its load: %s", instance.id, error)
            return {}
        return told if isinstance(told, dict) else {}

    def _of_load(
        self,
        key: str,
        instance: Instance,
        load: Mapping[str, Any],
        used: Mapping[str, _Used],
    ) -> list[Measured]:
        found: dict[str, float] = {}
        try:
            if load:
                most = max(int(load["max_concurrent"]), 1)
                found["RequestsInProgress"] = float(load["in_flight"])
                found["RequestsWaiting"] = float(load["queued"])
                found["RequestUtilizationPercentage"] = 100 * float(load["average"]) / most
            if "memory_limit_bytes" in load:
                share = 100 * float(load["memory_bytes"]) / float(load["memory_limit_bytes"])
                found["CpuMemoryUtilizationPercentage"] = share
            if "cpu_seconds" in load:
                percent = self._processor(instance, load, used)
                if percent is not None:
                    found["CpuUtilizationPercentage"] = percent
        except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
            _log.debug("Instance %s says nonsense of its load: %s", instance.id, error)
        return [
            Measured(key, metric, (instance.id,), value)
            for metric, value in found.items()
            if 0 <= value < _MOST
        ]

    def _processor(
        self, instance: Instance, load: Mapping[str, Any], used: Mapping[str, _Used]
    ) -> float | None:
        """Since the last look; None on the first."""
        now, seconds = self._clock.now().timestamp(), float(load["cpu_seconds"])
        self._used[instance.id] = _Used(now, seconds)
        before = used.get(instance.id)
        if before is None or now - before.at < 1 or seconds < before.seconds:
            return None
        return 100 * (seconds - before.seconds) / ((now - before.at) * float(load["cores"]))


def _subject(key: str) -> str:
    _, endpoint, deployment = key.split("/", 2)
    return deployment_subject(endpoint, deployment)
