"""Computes that show what a test has them show: a port, or several in one."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.errors import Detail, Invalid
from domain.online import online_deployment
from domain.ports import (
    Capabilities,
    Capacity,
    EnvironmentBuild,
    EnvironmentSpec,
    Instance,
    InstanceSize,
    IsolationPart,
    LogKind,
    Serving,
    ServingObservation,
    ServingWorkload,
    UnitOutcome,
    UnitRequest,
    WorkersWorkload,
    WorkloadState,
)


class AnyCapabilities(Capabilities):
    """Every environment, every size."""

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        return ()

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        return ()

    async def pinned(self, image: str) -> str:
        return image

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return None

    def triton(self) -> EnvironmentSpec:
        return EnvironmentSpec("", (), image="triton:1")

    def size(self, instance_type: str | None) -> InstanceSize:
        return InstanceSize(1.0, 2**30)

    def sizes(self) -> Mapping[str, InstanceSize]:
        return {"Standard_DS3_v2": InstanceSize(4.0, 14 * 2**30)}

    def capacities(self) -> Sequence[Capacity]:
        return [Capacity("cores", 1.5, 8.0, "Count")]

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        return None

    async def closing_fault(self) -> str | None:
        return None

    def isolation(self) -> Sequence[IsolationPart]:
        return ()


class ToldCompute:
    """Capabilities, Serving and Workers in one. Says of every workload that it is in `state`
    (or what `told` has for its key), and of a removal that it is over when `lets_go`."""

    def __init__(self) -> None:
        self.state = WorkloadState.READY
        self.told: dict[str, WorkloadState] = {}
        self.code: str | None = None
        self.reason: str | None = None
        self.lets_go = True
        self.most: int | None = None
        self.open_only: str | None = None
        self.attachable: set[str] | None = None
        """Namespaces of its cluster; None: it has none."""
        self.running: dict[str, Any] = {}
        self.ensured: list[str] = []
        self.removed: list[str] = []
        self.refused: list[str] = []
        self.cautioned: list[str] = []
        self.up: dict[str, Sequence[Instance]] = {}
        self.while_ensuring: Callable[[], Any] | None = None

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        return self.cautioned

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        try:
            self.size(instance_type)
        except Invalid as error:
            return [*self.refused, error.message]
        return self.refused

    async def pinned(self, image: str) -> str:
        return image

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return None

    def triton(self) -> EnvironmentSpec:
        return EnvironmentSpec("", (), image="triton:1")

    def size(self, instance_type: str | None) -> InstanceSize:
        if instance_type not in (None, "Standard_F4s_v2", "Standard_DS3_v2"):
            raise Invalid("There is no such instance type.")
        return InstanceSize(1.0, 2**30)

    def sizes(self) -> Mapping[str, InstanceSize]:
        return {
            "local": InstanceSize(8.0, 32 * 2**30),
            "Standard_DS3_v2": InstanceSize(4.0, 14 * 2**30),
        }

    def attaches(self) -> bool:
        return self.attachable is not None

    async def attachment_faults(self, cluster: str | None, namespace: str) -> Sequence[Detail]:
        if self.attachable is None or namespace in self.attachable:
            return []
        told = f"The cluster has no namespace '{namespace}'."
        return [Detail("BadArgument", told, "properties.properties.namespace")]

    def capacities(self) -> Sequence[Capacity]:
        return [Capacity("cores", 1.5, 8.0, "Count")]

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        if self.most is None or instances <= self.most:
            return None
        return f"There is room for {self.most}."

    async def closing_fault(self) -> str | None:
        return self.open_only

    def isolation(self) -> Sequence[IsolationPart]:
        return ()

    async def ensure(self, workload: ServingWorkload | WorkersWorkload) -> ServingObservation:
        if self.while_ensuring is not None:
            await self.while_ensuring()
        self.ensured.append(workload.key)
        self.running[workload.key] = workload
        return self._observation(workload)

    async def observe(self, key: str) -> ServingObservation | None:
        workload = self.running.get(key)
        return self._observation(workload) if workload else None

    def _observation(self, workload: ServingWorkload | WorkersWorkload) -> ServingObservation:
        state = self.told.get(workload.key, self.state)
        if isinstance(workload, WorkersWorkload):
            wanted = workload.worker_count
        else:
            wanted = workload.instance_count
        ready = wanted if state is WorkloadState.READY else 0
        failed = state is WorkloadState.FAILED
        return ServingObservation(
            workload.revision,
            state,
            ready,
            wanted,
            self.code if failed else None,
            self.reason if failed else None,
            serving=ready > 0,
        )

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        self.removed.append(key)
        if self.lets_go:
            self.running.pop(key, None)
        return self.lets_go

    async def keys(self) -> Sequence[str]:
        return list(self.running)

    @property
    def holder(self) -> str | None:
        return None

    async def begin_units(self, key: str, requests: Sequence[UnitRequest]) -> None:
        """They begin when they are asked for."""

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        raise NotImplementedError

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return f"{kind} of {key}, {tail}"

    def instances(self, key: str) -> Sequence[Instance]:
        return self.up.get(key, ())

    async def refresh(self, keys: Sequence[str]) -> None: ...


class ReadyCompute(ToldCompute):
    """Every deployment that runs has one instance, named after it."""

    def __init__(self) -> None:
        super().__init__()
        self.absent: set[str] = set()

    def instances(self, key: str) -> Sequence[Instance]:
        name = key.rpartition("/")[2]
        if key not in self.running or name in self.absent:
            return ()
        return [Instance(name, f"/run/{key}")]


async def known(keys: Sequence[str]) -> None:
    """Who serves runs here: there is nothing to look for."""


class StaticServing(Serving):
    """`ready` holds the instances of each workload key; those in `unknown` were never asked
    for, those in `served` have had an instance."""

    def __init__(self) -> None:
        self.ready: dict[str, list[Instance]] = {}
        self.failed: set[str] = set()
        self.unknown: set[str] = set()
        self.served: set[str] = set()

    def start(self, endpoint: str, deployment: str, count: int = 1) -> None:
        key = online_deployment.workload_key(endpoint, deployment)
        self.ready[key] = [Instance(f"{deployment}-{i}", f"/run/{key}/{i}") for i in range(count)]

    def instances(self, key: str) -> Sequence[Instance]:
        return self.ready.get(key, ())

    async def refresh(self, keys: Sequence[str]) -> None: ...

    async def ensure(self, workload: ServingWorkload) -> ServingObservation:
        raise NotImplementedError

    async def observe(self, key: str) -> ServingObservation | None:
        if key in self.unknown:
            return None
        state = WorkloadState.FAILED if key in self.failed else WorkloadState.STARTING
        return ServingObservation("1", state, 0, 1, served=key in self.served)

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        raise NotImplementedError

    async def keys(self) -> Sequence[str]:
        return list(self.ready)

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return ""
