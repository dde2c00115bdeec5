"""Nodes as apps of one environment of Azure Container Apps."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import Unavailable, Unsupported
from domain.ports import Credentials, Program
from infra.compute.container_apps.app import MAX_DEATHS, App, Ending
from infra.compute.container_apps.app_body import Mount, Surroundings, app_body
from infra.compute.container_apps.app_departures import AppDepartures
from infra.compute.container_apps.app_draining import AppDraining
from infra.compute.container_apps.app_endings import refused
from infra.compute.container_apps.app_isolation import NOT_CLOSED
from infra.compute.container_apps.app_logs import AppLogs
from infra.compute.container_apps.app_names import Place, name_of, names_of
from infra.compute.container_apps.app_sizes import AppSize, size_of
from infra.compute.container_apps.arm.arm_calls import ArmRefusal
from infra.compute.container_apps.container_apps import ContainerApps, Environment
from infra.compute.container_apps.known_apps import KnownApps
from infra.compute.gateway import Gateway
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.programs.node_images import ImagesOfNodes
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState, Progress

_log = logging.getLogger(__name__)

_FIRST_BACKOFF: Final = 1.0
_LONGEST_BACKOFF: Final = 60.0
_LINGER: Final = 2.5
_WORDS: Final = 200


@dataclass(frozen=True)
class Own:
    """What every app of an installation has. Images are pulled as `puller`, the ARM id of an
    identity, or by `credentials`; `mounts` are storages of the environment. `identities`: apps are
    who their program is. `blobs` is where they reach this host's blobs, `name:port`."""

    puller: str | None
    credentials: Credentials | None
    mounts: Sequence[Mount]
    identities: bool
    blobs: str | None


@dataclass
class _Preparation:
    attempt: int
    task: asyncio.Task[ProgramImage]


@dataclass(frozen=True)
class _Replaced:
    """A node that was taken away: shown until another has its place."""

    app: App
    ending: Ending
    at: float
    words: str


def _too_large(program: Program) -> StartFailure:
    size = program.size
    told = (
        f"No workload profile has {size.cpu:g} cores and {size.memory / 2**30:g} GiB for one app."
    )
    return StartFailure("OutOfQuota", told)


def _no_profile(kind: str, there: Mapping[str, str]) -> str:
    return (
        f"The environment has no workload profile of the type {kind} (it has "
        f"{', '.join(sorted(there)) or 'none'}): add one by `az containerapp env workload-profile "
        f"add --workload-profile-type {kind}`, where the region has it."
    )


class ContainerAppsFleet(Fleet):
    """`installation` says which one this is; apps of another in the same group are not seen."""

    def __init__(
        self,
        apps: ContainerApps,
        known: KnownApps,
        images: ImagesOfNodes,
        installation: Callable[[], Awaitable[str]],
        own: Own,
        draining: AppDraining,
        gone: AppLogs,
        now: Callable[[], float],
    ) -> None:
        self._apps = apps
        self._known = known
        self._images = images
        self._installation = installation
        self._own = own
        self._draining = draining
        self._gone = gone
        self._now = now
        self._preparations: dict[str, _Preparation] = {}
        self._replaced: dict[tuple[str, int], _Replaced] = {}
        self._ended_at: dict[str, float] = {}
        self._departures = AppDepartures(apps, known, draining, now)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # -- Fleet

    async def apply(self, group: NodeGroup, count: int) -> Progress:
        async with self._locks[group.name]:
            self._draining.know(group.name, group.secret)
            prepared = await self._prepared(group)
            if isinstance(prepared, Progress):
                return prepared
            if group.program.closed:
                return Progress(True, StartFailure("ResourceNotReady", NOT_CLOSED))
            size = size_of(group.program.size)
            if size is None:
                return Progress(True, _too_large(group.program))
            apps = await self._of(group.name)
            there = latest(apps)
            for app in apps:
                another = there[app.place.number] is not app
                if another or app.place.number >= count:
                    self._departures.leave(app, linger=_LINGER, grace=group.drain)
            asked = [self._at(n, group, prepared, size, there.get(n)) for n in range(count)]
            try:
                await asyncio.gather(*asked)
            except ArmRefusal as refusal:
                ending = refused(refusal.code, refusal.message)
                return Progress(True, StartFailure(ending.code, ending.reason))
            except StartFailure as failure:
                return Progress(True, failure)
            return Progress(prepared=True)

    async def nodes(self) -> Sequence[Node]:
        address = (await self._apps_environment()).address
        by_group: dict[str, list[App]] = {}
        for app in await self._known.all():
            by_group.setdefault(app.group, []).append(app)
        shown = [app for each in by_group.values() for app in latest(each).values()]
        nodes = {(app.group, app.place.number): self._node(app, address) for app in shown}
        for place, replaced in self._replaced.items():
            if place not in nodes or nodes[place].id == replaced.app.node_id:
                nodes[place] = _ended(replaced.app, replaced.ending)
        return list(nodes.values())

    async def replace(self, node: Node, reason: str) -> None:
        for app in await self._of(node.group):
            if app.node_id == node.id and (node.group, node.number) not in self._replaced:
                ending = Ending("ResourceNotReady", reason)
                words = await self._printed(app)
                self._replaced[node.group, node.number] = _Replaced(app, ending, self._now(), words)
                await self._departures.remove(app)

    async def explain(self, node: Node) -> str | None:
        for app in await self._of(node.group):
            if app.node_id != node.id:
                continue
            try:
                replica = await self._apps.replica(app)
            except ArmRefusal:
                return None
            for part in replica.parts if replica is not None else ():
                if part.ran_out_of_memory:
                    return f"It ran out of memory: its container has {app.memory} of memory."
        return None

    async def logs(self, group: str, *, tail: int) -> str:
        apps = await self._of(group)
        replaced = [each for (name, _), each in self._replaced.items() if name == group]
        told = {each.app.name for each in replaced} | {app.name for app in apps}
        gone = names_of(await self._installation(), group, [app.place for app in apps])
        names = {name: id for name, id in gone.items() if name not in told}
        lines = list(await self._gone.printed(names, tail=tail))
        for each in replaced:
            lines += [*each.words.splitlines(), each.ending.reason]
        for app in apps:
            ending = self._known.ending(app)
            if ending is not None:
                lines += (await self._printed(app)).splitlines()
                lines.append(ending.reason.partition("\n")[0])
        return "\n".join(line for line in lines[-tail:] if line)

    async def story(self, group: str, program: Program, *, tail: int) -> str:
        apps = await self._of(group)
        names = names_of(await self._installation(), group, [app.place for app in apps])
        befell = await self._gone.events(names, tail=tail)
        return "\n".join([*await self._images.story(group, program), *befell][-tail:])

    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        preparation = self._preparations.get(group)
        if preparation is not None:
            preparation.task.cancel()
        apps = await self._of(group)
        for app in apps:
            self._departures.leave(app, linger=linger, grace=grace)
        if apps:
            return False
        self._preparations.pop(group, None)
        self._images.forget(group)
        self._draining.forget(group)
        self._locks.pop(group, None)
        for place in [place for place in self._replaced if place[0] == group]:
            del self._replaced[place]
        return True

    async def groups(self) -> Sequence[str]:
        return sorted({app.group for app in await self._known.all()})

    async def images(self) -> set[str]:
        """Of all apps of the resource group, whichever installation's. Raises Unavailable."""
        try:
            return await self._apps.images()
        except ArmRefusal as refusal:
            raise Unavailable(f"Apps cannot be listed: {refusal}") from refusal

    async def networks(self) -> Sequence[Gateway]:
        """Another machine's, and another network's."""
        return ()

    async def gateway(self) -> Gateway:
        if self._own.blobs is None:
            raise Unsupported(
                "Container Apps do not reach blobs that are this host's own: keep things in Azure "
                "(ML_ENDPOINTS_PLATFORM=azure), or tell by ML_ENDPOINTS_CONTAINER_BLOBS at which "
                "name:port apps reach this host."
            )
        return Gateway(self._own.blobs.rpartition(":")[0], "0.0.0.0/32")

    async def close(self) -> None:
        tasks = [each.task for each in self._preparations.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._departures.close()
        self._draining.close()
        await self._images.close()
        await self._apps.close()

    # -- what nodes start from

    async def _prepared(self, group: NodeGroup) -> ProgramImage | Progress:
        preparation = self._preparations.get(group.name)
        if preparation is None or preparation.attempt != group.attempt:
            ensuring = self._images.ensure(group.name, group.program)
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

    # -- apps

    async def _at(
        self, number: int, group: NodeGroup, image: ProgramImage, size: AppSize, app: App | None
    ) -> None:
        """Have a node of that number, after a while that grows with each that ends. What is on its
        way out may take as long as a request: nobody waits for it."""
        replaced = self._replaced.get((group.name, number))
        if app is not None and replaced is None and self._departures.is_leaving(app):
            await self._make(group, image, size, Place(number, app.place.life + 1, 1))
            return
        if app is not None and replaced is None and self._known.ending(app) is None:
            return
        before = app if app is not None else replaced.app if replaced is not None else None
        if before is None:
            await self._make(group, image, size, Place(number, 1, 1))
            return
        place, is_new = before.place, before.attempt != group.attempt
        ending = replaced.ending if replaced is not None else self._known.ending(before)
        if not is_new and (ending is None or ending.final or place.lives > MAX_DEATHS):
            return
        ended = self._ended_at.setdefault(before.name, self._now())
        backoff = min(_FIRST_BACKOFF * 2 ** (place.lives - 1), _LONGEST_BACKOFF)
        if not is_new and self._now() - ended < backoff:
            return
        lives = 1 if is_new or replaced is not None else place.lives + 1
        await self._make(group, image, size, Place(number, place.life + 1, lives))
        self._replaced.pop((group.name, number), None)
        self._ended_at.pop(before.name, None)
        if app is not None:
            await self._departures.remove(app)

    async def _make(
        self, group: NodeGroup, image: ProgramImage, size: AppSize, place: Place
    ) -> None:
        """Raises StartFailure, and as ContainerApps does."""
        mine, own = await self._installation(), self._own
        environment = await self._apps_environment()
        profile = environment.profiles.get(size.profile)
        if profile is None:
            raise StartFailure("OutOfQuota", _no_profile(size.profile, environment.profiles))
        around = Surroundings(
            environment.id,
            environment.location,
            profile,
            own.puller,
            own.credentials,
            own.mounts,
            own.identities,
        )
        body = app_body(mine, group, image, place, size, around)
        made = await self._apps.make(name_of(mine, group.name, place), body)
        if made is not None:
            self._known.came(made)
            about = {"action": "app_made", "app": made.name, "instance": made.node_id}
            _log.info("%s is the app of %s", made.name, made.node_id, extra=about)
        else:
            self._known.look_soon()

    async def _of(self, group: str) -> list[App]:
        return [app for app in await self._known.all() if app.group == group]

    async def _printed(self, app: App) -> str:
        try:
            return await self._apps.printed(app, _WORDS)
        except (ArmRefusal, Unavailable) as error:
            return f"Its log cannot be read: {error}"

    async def _apps_environment(self) -> Environment:
        try:
            return await self._apps.environment()
        except ArmRefusal as refusal:
            raise Unavailable(f"The environment cannot be read: {refusal}") from refusal

    def _node(self, app: App, address: str) -> Node:
        ending = self._known.ending(app)
        if ending is not None:
            return _ended(app, ending)
        state = NodeState.COMING
        if self._departures.is_leaving(app):
            state = NodeState.LEAVING
        elif self._known.runs(app):
            state = NodeState.RUNNING
        at = app.at(address)
        return Node(app.node_id, app.group, app.place.number, state, at, app.attempt)


def _ended(app: App, ending: Ending) -> Node:
    return Node(
        app.node_id,
        app.group,
        app.place.number,
        NodeState.ENDED,
        None,
        app.attempt,
        ending.code,
        ending.reason,
        ending.final or app.place.lives > MAX_DEATHS,
    )


def latest(apps: Sequence[App]) -> dict[int, App]:
    """Of each number, its latest life."""
    found: dict[int, App] = {}
    for app in apps:
        place = app.place
        if place.number not in found or found[place.number].place.life < place.life:
            found[place.number] = app
    return found
