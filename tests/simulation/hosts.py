"""A host of the real application, composed on the world's stores: it handles messages and timers
by the functions' own bindings until it ends, and starts anew from what is stored."""

from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from domain.application import Application
from domain.errors import DomainError
from domain.figures.outside_figures import NoOutsideFigures
from domain.figures.request_counts import RequestCounts
from domain.jobs.records.job_times import JobTimes
from domain.ports import BlobProperties
from infra.cloud.ample_room import AmpleRoom
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from infra.cloud.no_disk import NoDisk
from infra.composition import compose_on
from infra.composition.adapters import Adapters
from infra.embedded.no_topics import NoTopics
from infra.rules.queue_consumer import Received
from infra.settings import Settings
from infra.web.client_address import TrustedProxies
from infra.web.no_clients import NoClients
from infra.web.no_sign_ins import NoSignIns
from infra.web.no_traffic_records import NoTrafficRecords
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from tests.kit.composed import OwnerVerifier, PlainCipher
from tests.kit.computes import AnyCapabilities
from tests.kit.pumping_host import PumpingHost
from tests.kit.waiting import PATIENCE
from tests.simulation.compute import SimulatedCompute
from tests.simulation.faulty_port import FaultyPort
from tests.simulation.invariants import STALE, Broken
from tests.simulation.virtual_loop import LIFE, HostEnded, Life

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")
_SWEEP, _RESTORE, _SCALE = 10.0, 60.0, 1.0
_PROMISED = (DomainError, TimeoutError)
"""What a function may raise: its message comes again."""


def settings(**more: object) -> Settings:
    told = {
        "platform": "embedded",
        "location": "here",
        "aggregate_period": 300,
        "route_read_limit": 230,
        **more,
    }
    return Settings.read({f"ML_ENDPOINTS_{n.upper()}": str(value) for n, value in told.items()})


@dataclass(frozen=True)
class Setting:
    """How hosts are set up. `lock` is for how many seconds a message is locked, until its host
    renews that; `prompt`: what an ended host held comes again with its next start, not when its
    locks end."""

    settings: Settings
    times: JobTimes
    lock: float = 60.0
    prompt: bool = True
    scales: bool = False


class Host:
    """`compute` is its own, and ends with it, or one that is shared."""

    def __init__(self, world: "World", name: str, compute: SimulatedCompute) -> None:
        self.name = name
        self.life = Life(name, ended=True)
        self.frozen_until = 0.0
        self._world = world
        self.compute = compute
        self._in_hand: dict[str, None] = {}
        self._timing: set[str] = set()

    @property
    def takes_messages(self) -> bool:
        return not self.life.ended and self.frozen_until <= self._world.loop.time()

    # -- start and end ------------------------------------------------------------------

    def start(self) -> None:
        world = self._world
        self.life = life = Life(self.name)
        self.frozen_until = 0.0
        self._timing = set()
        # Not the context of whatever has ended the last life.
        self._context = Context()
        self._context.run(LIFE.set, life)
        world.schedule.add(self.name, "starts")
        self._context.run(self._compose)
        for name, period in self._timers():
            self._set_timer(life, name, period * world.rng.random(), period)
        world.host_is_ready()

    def _compose(self) -> None:
        world, life = self._world, self.life

        def port(of: Any, what: str) -> Any:
            return FaultyPort(of, what, life, world)

        compute = port(self.compute, "compute")
        store = port(world.store, "store")
        adapters = Adapters(
            store=store,
            queue=port(world.queue, "queue"),
            dead_letters=world.queue,
            blobs=port(world.blobs, "blobs"),
            capabilities=AnyCapabilities(),
            serving=compute,
            scorer=compute,
            workers=compute,
            cipher=PlainCipher(),
            clock=world.clock,
            room=AmpleRoom(),
            disk=NoDisk(),
            verifier=OwnerVerifier(),
            scoring_verifier=OwnerVerifier(),
            data_verifier=OwnerVerifier(),
            clients=NoClients("A test has none."),
            sign_ins=NoSignIns(),
            identities_elsewhere=None,
            callers=TrustedProxies((), "x-forwarded"),
            audit_log=DocumentAuditLog(store, world.clock, keep=timedelta(days=90)),
            webhooks=port(world.receiver, "webhooks"),
            web=PublicWebFiles(OutboundAddresses(()), max_bytes=2**20, max_time=PATIENCE),
            topics=NoTopics(),
            figures=DocumentFigureStore(
                store, minutes=timedelta(days=7), hours=timedelta(days=365)
            ),
            request_counts=RequestCounts(),
            traffic=NoTrafficRecords("A simulation keeps none."),
            outside_figures=NoOutsideFigures(),
        )
        self.application = compose_on(adapters, world.setting.settings, world.setting.times)
        self.pump = PumpingHost(self.application, port(world.queue, "settling"), world.clock)

    def end(self) -> None:
        """As by a kill: what is under way ends where it stands."""
        if self.life.ended:
            return
        world = self._world
        world.schedule.add(self.name, "ends")
        self.life.end()
        self.compute.host_ended(self.name)
        down = world.rng.choice((0.1, 2.0, 20.0, 90.0))
        world.expect(down)
        for lock in self._in_hand:
            if world.setting.prompt:
                world.queue.unlock(lock, world.clock.unix() + down)
        self._in_hand.clear()
        world.loop.call_later(down, self.start)

    def freeze(self, seconds: float) -> None:
        """Nothing moves here for so long; the locks of what it has in hand end meanwhile."""
        world = self._world
        self.frozen_until = world.loop.time() + seconds
        world.loop.call_later(seconds, self._thawed, self.life)

    def _thawed(self, life: Life) -> None:
        if not life.ended:
            self._world.host_is_ready()

    # -- what it is given to do ---------------------------------------------------------

    def deliver(self, message: Received) -> None:
        lock = message.lock_token
        self._in_hand[lock] = None
        self._task(self._handle(message))
        self._world.loop.call_later(self._world.setting.lock / 2, self._renew, lock)

    def _renew(self, lock: str) -> None:
        """As a listener does for what it has in hand."""
        world = self._world
        if lock in self._in_hand:
            if self.takes_messages and not world.queue.renewed(lock):
                return
            world.loop.call_later(world.setting.lock / 2, self._renew, lock)

    async def arrive(self, container: str, blob: BlobProperties) -> None:
        """News of a blob that has come to rest. Raises HostEnded."""
        blobs = self._world.blobs
        await self.serve(lambda _: self.pump.arrive(blobs, container, blob))

    async def serve(self, call: Callable[[Application], Awaitable[T]]) -> T:
        """What a user asks of it. Raises HostEnded."""
        answer = self._world.loop.create_future()
        life = self.life

        async def answered() -> None:
            try:
                given = await call(self.application)
            except BaseException as error:
                failure = HostEnded() if life.ended else error
                if not answer.done():
                    answer.set_exception(failure)
            else:
                if not answer.done():
                    answer.set_result(given)

        self._task(answered())
        found: T = await answer
        return found

    async def _handle(self, message: Received) -> None:
        STALE.set(self._world.invariants.is_stale(message))
        try:
            await self.pump.deliver(message)
        finally:
            self._in_hand.pop(message.lock_token, None)
        self._judge()

    def _judge(self) -> None:
        for error in self.pump.failures:
            self._world.schedule.add(self.name, "failed:", type(error).__name__, error)
            if not isinstance(error, _PROMISED):
                self._world.find(Broken(f"a function raised {type(error).__name__}: {error}"))
        self.pump.failures.clear()

    # -- timers -------------------------------------------------------------------------

    def _timers(self) -> list[tuple[str, float]]:
        timers = [("sweep", _SWEEP), ("restore_deployments", _RESTORE)]
        return [*timers, ("scale_deployments", _SCALE)] if self._world.setting.scales else timers

    def _set_timer(self, life: Life, name: str, wait: float, period: float) -> None:
        self._world.loop.call_later(wait, self._come_due, life, name, period)

    def _come_due(self, life: Life, name: str, period: float) -> None:
        world = self._world
        if life.ended:
            return
        wait = period
        if world.faults.strikes(world.faults.timers):
            wait = period * world.rng.choice((0.1, 3.0))
            world.schedule.add("the timer", name, "of", self.name, f"comes in {wait:g} s next")
        self._set_timer(life, name, wait, period)
        if self.takes_messages and name not in self._timing and self._has_work(name):
            self._task(self._timed(name))

    def _has_work(self, name: str) -> bool:
        """A sweep that finds nothing is left out: it would do nothing."""
        due = self._world.store.next_due()
        return name != "sweep" or (due is not None and due <= self._world.clock.unix())

    async def _timed(self, name: str) -> None:
        """It never runs beside itself."""
        life, timing = self.life, self._timing
        timing.add(name)
        self._world.schedule.add(self.name, "<- timer", name)
        try:
            await self.pump.run(name)
        except _PROMISED as error:
            self._world.schedule.add(life.host, "failed:", type(error).__name__, error)
        finally:
            timing.discard(name)

    def _task(self, work: Any) -> None:
        self._world.loop.create_task(work, context=self._context.copy())
