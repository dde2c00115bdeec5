"""What is ours in a cluster, looked after while nothing is asked for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from domain.errors import DomainError
from infra.compute.kubernetes.api.kubernetes_api import ApiRefusal, Object
from infra.compute.kubernetes.group_objects import GroupObjects
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup

_log = logging.getLogger("ml_endpoints.kubernetes")

Mend = Callable[[NodeGroup, ProgramImage], Awaitable[None]]


class Mending:
    """Of the groups that this host has applied: each again when it is time, or when somebody has
    changed it. Pods that are over, and stay as such, are cleared away."""

    def __init__(self, objects: GroupObjects, mend: Mend) -> None:
        self._objects = objects
        self._mend = mend
        self._kept: dict[str, tuple[NodeGroup, ProgramImage]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep(self, group: NodeGroup, image: ProgramImage) -> None:
        self._kept[group.name] = group, image

    def forget(self, group: str) -> None:
        self._kept.pop(group, None)

    def look(self, deployments: Mapping[str, Object], over: Sequence[Object]) -> None:
        """Waits for nothing."""
        for name, (group, image) in self._kept.items():
            there = deployments.get(name)
            if there is not None and self._objects.is_due(name, there):
                self._begin(name, partial(self._mend, group, image))
        for pod in over:
            self._begin(pod["metadata"]["uid"], partial(self._objects.clear, pod))

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if name in self._tasks:
            return
        task = asyncio.create_task(self._done(name, work), name=f"mend {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _done(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (DomainError, ApiRefusal) as error:
            _log.warning("%s could not be mended: %s", name, error)
