"""Environments built and files fetched before the first job that needs them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from domain.ports import Observation, WorkersWorkload
from infra.compute.local.instances.fleet import Fleet

NewFleet = Callable[[WorkersWorkload, Path], Fleet]


@dataclass
class _Preparation:
    workload: WorkersWorkload
    fleet: Fleet

    @property
    def observation(self) -> Observation:
        failure = self.fleet.failure
        return Observation(
            revision=self.workload.revision,
            state=self.fleet.state,
            ready=0,
            wanted=0,
            code=failure.code if failure else None,
            reason=failure.reason if failure else None,
        )


class Preparations:
    """One fleet without processes for each key; `retire` ends one in the background."""

    def __init__(
        self,
        new_fleet: NewFleet,
        logs_of: Callable[[str], Path],
        *,
        retire: Callable[[str, Fleet], None],
    ) -> None:
        self._new_fleet = new_fleet
        self._logs_of = logs_of
        self._retire = retire
        self._by_key: dict[str, _Preparation] = {}

    def begin(self, workload: WorkersWorkload) -> Observation:
        """Again: what has failed is tried anew, another revision takes the place of the one
        that is there."""
        found = self._by_key.get(workload.key)
        if found is not None and found.workload.revision == workload.revision:
            found.fleet.revive()
            return found.observation
        self.end(workload.key)
        folder = self._logs_of(workload.key)
        begun = _Preparation(workload, self._new_fleet(workload, folder))
        self._by_key[workload.key] = begun
        begun.fleet.start()
        return begun.observation

    def end(self, key: str) -> None:
        found = self._by_key.pop(key, None)
        if found is not None:
            self._retire(key, found.fleet)

    def observe(self, key: str) -> Observation | None:
        found = self._by_key.get(key)
        return found.observation if found else None

    def fleet(self, key: str) -> Fleet | None:
        found = self._by_key.get(key)
        return found.fleet if found else None

    @property
    def keys(self) -> list[str]:
        return list(self._by_key)

    @property
    def fleets(self) -> Iterable[Fleet]:
        return [each.fleet for each in self._by_key.values()]
