"""Container Apps of which nothing runs: the stand-in for Azure Resource Manager, whose replicas are
as a test says, and fleets that see it by a clock that the test moves."""

import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from azure.core.credentials import AccessToken

from domain.ports import EnvironmentSpec, InstanceSize, Program
from infra.compute.container_apps.app_draining import AppDraining
from infra.compute.container_apps.app_endings import AppEndings
from infra.compute.container_apps.app_logs import AppLogs
from infra.compute.container_apps.arm.arm_budget import ArmBudget, Kind
from infra.compute.container_apps.arm.arm_calls import ArmCalls
from infra.compute.container_apps.container_apps import ContainerApps
from infra.compute.container_apps.container_apps_fleet import ContainerAppsFleet, Own
from infra.compute.container_apps.known_apps import COMING, KnownApps
from infra.compute.http.unix_http import UnixHttp
from infra.compute.registry.programs.node_images import ImagesOfNodes
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import Node, NodeGroup, NodeState, Progress
from tests.kit.apps.put_builds import PutBuilds
from tests.kit.waiting import eventually
from tests.servers.arm.manager import Manager
from tests.servers.arm.records import AppRecord, Environment
from tests.servers.arm.routes import TOKEN
from tests.servers.arm.runs import ScriptedRuns
from tests.servers.arm.stand_in import SUBSCRIPTION, StandIn
from tests.servers.arm.throttle import Throttle

GIB: Final = 2**30
IMAGE: Final = ProgramImage(f"r.azurecr.io/programs@sha256:{'0' * 64}", "src", True, True)
PULLER: Final = (
    f"{SUBSCRIPTION}/resourceGroups/models/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/puller"
)
_ANY: Final = (1e9, 1e9)
_AT_ONCE: Final = {"linger": 0.0, "grace": 0.0}


@dataclass
class StandingClock:
    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


class PassingBudget(ArmBudget):
    """What comes early waits by the test's clock."""

    def __init__(self, clock: StandingClock) -> None:
        super().__init__(clock)
        self._clock = clock

    async def take(self, kind: Kind) -> None:
        self._clock.at += self.wait(kind)


@dataclass
class ReadyImages(ImagesOfNodes):
    """They are all there."""

    image: ProgramImage = IMAGE

    async def ensure(self, group: str, program: Program) -> ProgramImage:
        return self.image

    async def story(self, group: str, program: Program) -> list[str]:
        return ["The environment's image is there."]

    def forget(self, group: str) -> None: ...

    async def close(self) -> None: ...


@dataclass
class GoneApps(AppLogs):
    """What was printed, and what befell, by the name of an app."""

    words: dict[str, str] = field(default_factory=dict)

    async def printed(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        return [f"{id} - {self.words[name]}" for name, id in names.items() if name in self.words]

    async def events(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        return [f"{id} Started: it" for name, id in names.items() if name in self.words]


@dataclass
class GivenToken:
    """What a managed identity would be given."""

    text: str = TOKEN
    asked: int = 0

    async def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        self.asked += 1
        return AccessToken(self.text, int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "GivenToken":
        return self

    async def __aexit__(self, *args: object) -> None: ...


@dataclass
class ScriptedApps:
    """One environment, as a host of an installation sees it."""

    stand_in: StandIn
    runs: ScriptedRuns
    environment: Environment
    fleet: ContainerAppsFleet
    known: KnownApps
    clock: StandingClock
    token: GivenToken
    images: ReadyImages
    gone_apps: GoneApps
    installation: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def manager(self) -> Manager:
        return self.stand_in.manager

    @property
    def apps(self) -> list[AppRecord]:
        return list(self.manager.apps.values())

    def group(self, *, cpu: float = 2, memory: float = 4, **more: Any) -> NodeGroup:
        number = next(self.numbers)
        size = InstanceSize(cpu, int(memory * GIB))
        environment = EnvironmentSpec("3.11", ())
        program = Program(environment, None, None, "score.py", {"KEY": "of the user"}, size, **more)
        spec = {"contract": 1, "mode": "serve", "script": "score.py"}
        return NodeGroup(f"g{number}", f"online/iris/g{number}", program, spec, "s" * 40, drain=7)

    async def applied(self, group: NodeGroup, count: int) -> Progress:
        async def done() -> Progress | None:
            self.pass_by(COMING)
            progress = await self.fleet.apply(group, count)
            return progress if progress.prepared or progress.failure else None

        return await eventually(done, "applied")

    def pass_by(self, seconds: float) -> None:
        self.clock.at += seconds

    async def of(self, group: NodeGroup) -> list[Node]:
        self.pass_by(COMING)
        found = [node for node in await self.fleet.nodes() if node.group == group.name]
        return sorted(found, key=lambda node: node.number)

    async def in_state(self, group: NodeGroup, state: NodeState, count: int = 1) -> list[Node]:
        async def there() -> list[Node] | None:
            found = [node for node in await self.of(group) if node.state is state]
            return found if len(found) == count else None

        return await eventually(there, f"{count} that are {state}")

    async def gone(self, group: NodeGroup) -> None:
        async def over() -> bool:
            self.pass_by(COMING)
            return await self.fleet.delete(group.name, **_AT_ONCE)

        await eventually(over, "gone")

    @asynccontextmanager
    async def beside(self, installation: str = "") -> AsyncIterator["ScriptedApps"]:
        """Another host, of the same installation or of another one."""
        mine = installation or self.installation
        async with _opened(self.stand_in, self.runs, self.environment, mine) as other:
            yield replace(other, numbers=self.numbers)


@contextmanager
def standing_in() -> Iterator[tuple[StandIn, ScriptedRuns]]:
    runs = ScriptedRuns()
    with StandIn(runs, PutBuilds()) as stand_in:
        # Calls come as fast as a test moves its clock, which the platform's limits do not go by.
        stand_in.manager.throttle = Throttle(reads=_ANY, writes=_ANY)
        stand_in.manager.identities.add(PULLER.casefold())
        yield stand_in, runs


@asynccontextmanager
async def scripted_apps(stand_in: StandIn, runs: ScriptedRuns) -> AsyncIterator[ScriptedApps]:
    number = next(_groups)
    environment = stand_in.environment(group=f"models-{number}")
    async with _opened(stand_in, runs, environment, f"one{number}") as apps:
        yield apps


_groups = itertools.count()


@asynccontextmanager
async def _opened(
    stand_in: StandIn, runs: ScriptedRuns, environment: Environment, installation: str
) -> AsyncIterator[ScriptedApps]:
    async def named() -> str:
        return installation

    clock, token, images = StandingClock(), GivenToken(), ReadyImages()
    calls = ArmCalls(stand_in.url, token, PassingBudget(clock))
    apps = ContainerApps(calls, environment.id, clock)
    known = KnownApps(apps, AppEndings(apps), named, clock)
    own = Own(PULLER, None, (), True, None)
    draining, gone = AppDraining(UnixHttp()), GoneApps()
    fleet = ContainerAppsFleet(apps, known, images, named, own, draining, gone, clock)
    try:
        yield ScriptedApps(
            stand_in, runs, environment, fleet, known, clock, token, images, gone, installation
        )
    finally:
        await fleet.close()
