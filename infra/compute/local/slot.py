"""Where a deployment runs on this machine."""

from dataclasses import dataclass
from pathlib import Path

from domain.ports import Instance, WorkloadKind
from infra.compute.local.serving.fleet import Fleet


@dataclass
class Slot:
    """What runs under one key. `next` is rolled out beside `current`; `served` says whether any
    instance has ever taken requests."""

    kind: WorkloadKind
    logs: Path
    current: Fleet
    next: Fleet | None = None
    instances: tuple[Instance, ...] = ()
    served: bool = False

    @property
    def newest(self) -> Fleet:
        return self.next or self.current

    @property
    def fleets(self) -> list[Fleet]:
        return [self.current] if self.next is None else [self.current, self.next]
