"""Containers that go: they end, and the engine removes them, if not at once then later."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import Unavailable
from infra.compute.docker.containers import Container
from infra.compute.docker.labels import Labels
from infra.compute.docker.node_containers import NodeContainers
from infra.compute.docker.removal.refusals import Refusals

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 0.0


@dataclass(frozen=True)
class _Departure:
    """`ends`: when it is over at the latest, on the loop's clock, but for what an engine takes."""

    ends: float
    task: asyncio.Task[None]


class Departures:
    """What the engine will not remove is asked for again by `refusals`: a container of which that
    lasts, and nothing runs, is a remnant, for which nobody waits."""

    def __init__(self, nodes: NodeContainers, refusals: Refusals) -> None:
        self._nodes = nodes
        self._refusals = refusals
        self._leaving: dict[str, _Departure] = {}
        self._uncleared: set[str] = set()

    @property
    def groups(self) -> set[str]:
        """That were told to go, and have something left."""
        return set(self._uncleared)

    def is_leaving(self, container: Container) -> bool:
        return container.id in self._leaving

    def is_remnant(self, container: Container) -> bool:
        return self._refusals.is_lasting(container.id) and not container.runs

    def leave(self, container: Container, *, linger: float, grace: float) -> None:
        """Of one that is on its way already: sooner than it was to, if need be."""
        ends = asyncio.get_running_loop().time() + linger + grace
        before = self._leaving.get(container.id)
        if before is not None and before.ends <= ends:
            return
        if before is not None:
            before.task.cancel()
        elif not self._refusals.is_due(container.id):
            return
        task = asyncio.create_task(self._end(container, linger, grace))
        self._leaving[container.id] = _Departure(ends, task)
        task.add_done_callback(lambda _: self._is_over(container.id, task))

    def have_gone(
        self, group: str, containers: Sequence[Container], *, linger: float, grace: float
    ) -> bool:
        """These are all of the group. Whether there is nothing of it but remnants."""
        self._uncleared.add(group)
        for container in containers:
            self.leave(container, linger=linger, grace=grace)
        return all(map(self.is_remnant, containers))

    async def remove(self, container: Container) -> None:
        """At once. Raises Unavailable."""
        reason = await self._nodes.remove(container)
        if reason is None:
            self._refusals.settle(container.id)
        else:
            self._refusals.note(container.id, container.group, reason)

    def press(self, containers: Sequence[Container]) -> None:
        """These are all that there are: what the engine would not remove it is asked for again."""
        for container in containers:
            if container.id in self._refusals:
                self.leave(container, linger=_AT_ONCE, grace=_AT_ONCE)
        self._refusals.settle_all_but({each.id for each in containers} | self._uncleared)

    async def clear(self, labels: Labels, group: str) -> bool:
        """What a group has left that has no container any more. Whether that is nothing."""
        if not self._refusals.is_due(group):
            return False
        reason = await self._nodes.clear(labels, group)
        if reason is None:
            self._refusals.settle(group)
            self._uncleared.discard(group)
            return True
        self._uncleared.add(group)
        self._refusals.note(group, group, reason)
        return False

    def is_given_up(self, group: str) -> bool:
        """Whether nobody should wait for what it has left."""
        return self._refusals.is_lasting(group)

    async def close(self) -> None:
        tasks = [each.task for each in self._leaving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside

    def _is_over(self, container: str, task: asyncio.Task[None]) -> None:
        there = self._leaving.get(container)
        if there is not None and there.task is task:
            del self._leaving[container]

    async def _end(self, container: Container, linger: float, grace: float) -> None:
        try:
            if container.state == "running":
                await asyncio.sleep(linger)
                if grace:
                    await self._nodes.stop(container, grace)
            await self.remove(container)
        except Unavailable as error:
            _log.warning("%s could not be ended: %s", container.group, error)
