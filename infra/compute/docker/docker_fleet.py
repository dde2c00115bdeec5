"""Nodes as containers of one Docker Engine."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from domain.errors import Unavailable
from domain.ports import Program
from infra.compute.docker.containers import (
    Container,
    Ending,
    Machine,
    Place,
    Surroundings,
    end_of,
    ending_of,
    memory_of,
)
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.engine_room import EngineRoom
from infra.compute.docker.images import Image, Images
from infra.compute.docker.labels import Labels
from infra.compute.docker.network.networks import Networks
from infra.compute.docker.node_containers import NodeContainers, latest
from infra.compute.docker.removal.departures import Departures
from infra.compute.docker.removal.refusals import Refusals
from infra.compute.gateway import Gateway
from infra.compute.ground.failure import StartFailure
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, Progress
from infra.compute.shelves import Shelves

_log = logging.getLogger(__name__)

_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 30.0
_STABLE: Final = 60.0
_WORDS: Final = 30
_CONFLICT: Final = 409


@dataclass
class _Preparation:
    attempt: int
    task: asyncio.Task[Image]


class DockerFleet(Fleet):
    """`installation` says which one this is; nodes of another on the same engine are not seen.
    Every container has `mounts`, each `/folder/there:/folder/seen[:ro]`, and one of workers its
    group's of `shelves`; those that there is no `room` for are not made. What the engine will not
    remove, and does not run any more, is no node, and nobody waits for it: it is asked for again,
    by `now`, in seconds."""

    def __init__(
        self,
        engine: Engine,
        images: Images,
        networks: Networks,
        installation: Callable[[], Awaitable[str]],
        *,
        mounts: Sequence[str],
        shelves: Shelves,
        room: EngineRoom,
        now: Callable[[], float],
    ) -> None:
        self._mounts = mounts
        self._shelves = shelves
        self._room = room
        self._engine = engine
        self._images = images
        self._installation = installation
        self._labels: Labels | None = None
        self._machine: Machine | None = None
        self._preparations: dict[str, _Preparation] = {}
        self._endings: dict[str, Ending] = {}
        self._ended_at: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._networks = networks
        self._nodes = NodeContainers(engine)
        self._departures = Departures(self._nodes, Refusals(now))

    # -- Fleet

    async def apply(self, group: NodeGroup, count: int) -> Progress:
        async with self._locks[group.name]:
            prepared = await self._prepared(group)
            if isinstance(prepared, Progress):
                return prepared
            containers = await self._containers(group.name)
            there = latest(containers)
            lacking = self._room.lacking(group, count, len(there), await self._has())
            if lacking is not None:
                return Progress(True, StartFailure("OutOfQuota", lacking))
            wanted = self._wanted(there, count)
            missing = [Place(n, 1, 1) for n in range(count) if n not in there]
            # What is on its way out may take as long as a request: nobody waits for it.
            missing += [
                Place(n, c.place.life + 1, 1)
                for n, c in there.items()
                if n < count and n not in wanted
            ]
            ended = [c for c in wanted.values() if await self._ending(c)]
            if not containers and group.program.server is not None:
                await self._nodes.clear(await self._mine(), group.name)
            for container in containers:
                another = container.runs and there[container.place.number] is not container
                if another or container.place.number >= count:
                    self._departures.leave(container, linger=2.5, grace=group.drain)
            try:
                await asyncio.gather(
                    *(self._go(c, group, prepared) for c in wanted.values() if not c.is_begun),
                    *(self._start(group, prepared, place) for place in missing),
                    *(self._again(group, prepared, each, containers) for each in ended),
                )
            except EngineRefusal as refusal:
                told = f"The container engine refused: {refusal.message}"
                return Progress(True, StartFailure("ResourceNotReady", told))
            return Progress(prepared=True)

    async def nodes(self) -> Sequence[Node]:
        containers, going = await self._containers(), self._departures
        going.press(containers)
        by_group: dict[str, list[Container]] = {}
        for container in containers:
            by_group.setdefault(container.group, []).append(container)
        lives = [c for each in by_group.values() for c in latest(each).values()]
        found = [c for c in lives if not going.is_remnant(c)]
        self._forget_all_but({container.id for container in lives})
        return [c.node(leaving=going.is_leaving(c), ending=await self._ending(c)) for c in found]

    async def replace(self, node: Node, reason: str) -> None:
        for container in await self._containers(node.group):
            place = container.place
            if place.number == node.number and f".{place.life}" == node.id[node.id.rindex(".") :]:
                if container.id not in self._endings:
                    self._endings[container.id] = Ending("ResourceNotReady", reason)
                await self._nodes.kill(container)

    async def explain(self, node: Node) -> str | None:
        for container in await self._containers(node.group):
            if container.place.number == node.number and not container.has_ended:
                for id in container.ids:
                    if await self._ran_out_of_memory(id):
                        inspected = await self._nodes.inspected(id)
                        if inspected is not None:
                            has = memory_of(inspected)
                            return f"It ran out of memory: its container has {has}."
        return None

    async def _ran_out_of_memory(self, id: str) -> bool:
        filters, now = {"event": ["oom"], "container": [id]}, time.time()
        try:
            told = await self._engine.text(
                "events", filters=filters, since=str(int(now - 3600)), until=f"{now:.3f}"
            )
        except EngineRefusal:
            return False
        return bool(told.strip())

    async def logs(self, group: str, *, tail: int) -> str:
        lines: list[str] = []
        for container in await self._containers(group):
            if container.server is not None:
                lines += await self._nodes.server_lines(container, tail)
            if container.has_ended:
                lines += (await self._nodes.printed(container.id, tail)).splitlines()
                ending = await self._ending(container)
                lines.append(ending.reason.partition("\n")[0] if ending else "")
        return "\n".join(line for line in lines[-tail:] if line)

    async def story(self, group: str, program: Program, *, tail: int) -> str:
        lines = await self._images.story(group, program)
        return "\n".join(lines[-tail:])

    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        preparation = self._preparations.get(group)
        if preparation is not None:
            preparation.task.cancel()
        containers = await self._containers(group)
        if containers:
            if not self._departures.have_gone(group, containers, linger=linger, grace=grace):
                return False
            await asyncio.to_thread(self._shelves.clear, group)
            self._room.forget(group)
            await self._leave_network(group)
            return True
        if not await self._departures.clear(await self._mine(), group):
            return self._departures.is_given_up(group)
        await asyncio.to_thread(self._shelves.clear, group)
        await self._clear(group, preparation)
        self._preparations.pop(group, None)
        self._room.forget(group)
        self._images.forget(group)
        self._locks.pop(group, None)
        return True

    async def groups(self) -> Sequence[str]:
        there = {container.group for container in await self._containers()}
        return sorted(there | self._departures.groups)

    async def networks(self) -> Sequence[Gateway]:
        try:
            return await self._networks.known(await self._mine())
        except EngineRefusal as refusal:  # it went as it was looked at
            _log.info("a network is not shown: %s", refusal.message)
            return ()

    async def gateway(self) -> Gateway:
        try:
            return await self._networks.gateway(await self._mine())
        except EngineRefusal as refusal:
            raise Unavailable(f"The containers have no network: {refusal.message}") from refusal

    async def close(self) -> None:
        tasks: list[asyncio.Task[Any]] = [each.task for each in self._preparations.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._departures.close()
        await self._images.close()
        await self._engine.close()

    # -- what nodes start from

    async def _prepared(self, group: NodeGroup) -> Image | Progress:
        preparation = self._preparations.get(group.name)
        if preparation is None or preparation.attempt != group.attempt:
            ensuring = self._images.ensure(group.name, group.program, await self._mine())
            task = asyncio.create_task(ensuring, name=f"image of {group.key}")
            preparation = self._preparations[group.name] = _Preparation(group.attempt, task)
        if not preparation.task.done():
            await asyncio.wait({preparation.task}, timeout=0.2)
        if not preparation.task.done():
            return Progress()
        try:
            return preparation.task.result()
        except StartFailure as failure:
            return Progress(failure=failure)
        except Unavailable:
            self._preparations.pop(group.name, None)  # begun anew at the next call
            raise

    # -- containers

    def _wanted(self, there: Mapping[int, Container], count: int) -> dict[int, Container]:
        """Those that are to go on."""
        going = self._departures
        return {n: c for n, c in there.items() if n < count and not going.is_leaving(c)}

    async def _again(
        self, group: NodeGroup, image: Image, ended: Container, containers: Sequence[Container]
    ) -> None:
        """Another life of a node, after a while that grows with each."""
        place = ended.place
        since = time.monotonic() - self._ended_at.setdefault(ended.id, time.monotonic())
        is_new = ended.attempt != group.attempt
        if not is_new and ended.is_hopeless(self._endings.get(ended.id)):
            return
        lives = 1 if is_new or ended.id not in self._endings else place.lives + 1
        backoff = 0.0 if is_new else min(_FIRST_BACKOFF * 2 ** (place.lives - 1), _LONGEST_BACKOFF)
        if since < backoff:
            return
        if await self._lived(ended) >= _STABLE:
            lives = 1
        if ended.server is not None:
            await self._nodes.kill(ended)  # what is left of it
        await self._start(group, image, Place(place.number, place.life + 1, lives))
        for older in containers:
            if older.place.number == place.number and older.place.life < place.life:
                await self._departures.remove(older)

    async def _lived(self, container: Container) -> float:
        """For how many seconds it ran."""
        try:
            inspected = await self._nodes.inspected(container.id)
        except Unavailable:
            return 0.0
        if inspected is None:
            return 0.0
        began, ended = (
            datetime.fromisoformat(inspected["State"][name][:19])
            for name in ("StartedAt", "FinishedAt")
        )
        return (ended - began).total_seconds()

    async def _start(self, group: NodeGroup, image: Image, place: Place) -> None:
        labels = await self._mine()
        around = await self._around(labels, group)
        await self._nodes.make(group, image, place, labels, around)

    async def _go(self, container: Container, group: NodeGroup, image: Image) -> None:
        if await self._ending(container) is None:
            labels = await self._mine()
            around = await self._around(labels, group)
            await self._nodes.go_on(container, group, image, labels, around)

    async def _around(self, labels: Labels, group: NodeGroup) -> Surroundings:
        network = await self._networks.ensure(labels, closed=group.program.closed)
        mounts = [*self._mounts]
        if group.spec.get("mode") == "work":
            mounts += await asyncio.to_thread(self._shelves.mounts, group.name)
        return Surroundings(await self._has(), network, mounts)

    async def _containers(self, group: str | None = None) -> list[Container]:
        return await self._nodes.of(await self._mine(), group)

    async def _ending(self, container: Container) -> Ending | None:
        """None for one that runs, or is coming."""
        part = container.ended_part
        if part is None:
            return None
        known = self._endings.get(container.id)
        if known is not None:
            return known
        try:
            inspected = await self._nodes.inspected(part.id)
        except Unavailable as error:  # an engine that was killed may have lost what it knew of it
            told = f"Its container has ended, and nothing is known of why: {error}"
            return Ending("ResourceNotReady", told) if container.has_ended else None
        if inspected is None or (part.state == "created" and not inspected["State"]["Error"]):
            return None
        log = await self._nodes.printed(part.id, _WORDS)
        ending = ending_of(inspected, log, container.place.lives)
        if container.server is not None and part.id == container.id:
            said = await self._nodes.printed(container.server.id, _WORDS)
            ending = replace(ending, reason=f"{ending.reason}{end_of(said)}")
        self._endings[container.id] = ending
        self._ended_at.setdefault(container.id, time.monotonic())
        return ending

    def _forget_all_but(self, there: set[str]) -> None:
        for known in (self._endings, self._ended_at):
            for id in [id for id in known if id not in there]:
                del known[id]

    # -- the engine

    async def _mine(self) -> Labels:
        if self._labels is None:
            self._labels = Labels(await self._installation())
        return self._labels

    async def _has(self) -> Machine:
        if self._machine is None:
            told = await self._engine.get("info")
            self._machine = Machine(told["NCPU"], told["MemTotal"])
        return self._machine

    async def _clear(self, leaving: str, preparation: _Preparation | None) -> None:
        """What only a group that has gone has used."""
        labels = await self._mine()
        task = preparation.task if preparation is not None else None
        if task is not None and task.done() and not task.cancelled() and not task.exception():
            image = task.result().name
            others = [
                each.task
                for each in self._preparations.values()
                if each is not preparation and each.task.done()
            ]
            used = {t.result().name for t in others if not t.cancelled() and not t.exception()}
            if image not in used:
                await self._images.remove(image)
        await self._leave_network(leaving)
        await self._images.prune(labels)

    async def _leave_network(self, leaving: str) -> None:
        """It goes with the last group that is wanted."""
        others = self._preparations.keys() - self._departures.groups - {leaving}
        if not others and all(map(self._departures.is_remnant, await self._containers())):
            await self._networks.remove(await self._mine())
