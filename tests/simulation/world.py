"""A world in one thread: stores in memory, hosts that come and go, time that a seed moves."""

import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from domain.application import Application
from domain.errors import DomainError, Throttled, Unavailable
from domain.ports import BlobProperties
from tests.kit.clocks import START
from tests.simulation.faults import Fault, Faults
from tests.simulation.hosts import Host, Setting
from tests.simulation.invariants import Broken, Invariants
from tests.simulation.receiver import UnsteadyReceiver
from tests.simulation.schedule import Schedule
from tests.simulation.stores.memory_blob_store import MemoryBlobStore
from tests.simulation.stores.memory_resource_store import MemoryResourceStore
from tests.simulation.stores.memory_work_queue import Held, MemoryWorkQueue
from tests.simulation.virtual_loop import HostEnded, Life, VirtualLoop

T = TypeVar("T")
_MAX_DELIVERY = 5
_TRIES = 20_000
_TODAY = 6 * 3600.0


class Clock:
    """The loop's time, as a time of day; `skip` is what passed before the loop began."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._start = START.timestamp()

    def unix(self) -> float:
        return self._start + self._loop.time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix(), UTC)


class World:
    """`hosts` share the stores. `shared_compute`: their workers are one compute's, which outlives
    them; else each host has its own, which ends with it."""

    def __init__(
        self, loop: VirtualLoop, rng: random.Random, faults: Faults, setting: Setting
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.faults = faults
        self.setting = setting
        self.clock = Clock(loop)
        self.schedule = Schedule(loop.time)
        self.store = MemoryResourceStore(self.clock.unix)
        self.queue = MemoryWorkQueue(self.clock.unix)
        self.blobs = MemoryBlobStore(self.clock.now)
        self.invariants = Invariants(self)
        self.receiver = UnsteadyReceiver(rng)
        self._watchers: list[Callable[[World, str], None]] = []
        self.hosts: list[Host] = []
        self._unoffered: list[int] = []
        self.broken: Broken | None = None
        self.troubled_at = 0.0
        """When something last went wrong, in seconds since the start."""
        self.queue_was_out = False
        self.is_untroubled = True
        """Nobody can think so far that a step was saved and not told: no call has failed."""

    def begin(self) -> None:
        """Have the hosts start, and messages delivered."""
        self.store.changed = self._changed
        self.queue.changed = self._noticed
        for held in list(self.queue.messages.values()):
            self._noticed(held)
        for host in self.hosts:
            host.start()

    def watch(self, watcher: "Callable[[World, str], None]") -> None:
        """Who is told of each partition that was written to."""
        self._watchers.append(watcher)

    def _changed(self, partition: str) -> None:
        self.invariants.changed(partition)
        for watcher in self._watchers:
            watcher(self, partition)

    # -- messages -----------------------------------------------------------------------

    def _noticed(self, held: Held) -> None:
        wait = max(0.0, held.visible_at - self.clock.unix())
        wait += 0.03 * self.rng.random()
        if self.faults.strikes(self.faults.late):
            late = self.rng.uniform(1, 120)
            self.expect(late)
            self.schedule.add("message", held.number, f"comes {late:.1f} s late")
            wait += late
        self.loop.call_later(wait, self._offer, held.number)

    def _offer(self, number: int) -> None:
        held = self.queue.messages.get(number)
        if held is None or held.visible_at > self.clock.unix():
            return  # Settled meanwhile, or held: whoever gives it back tells so.
        if held.deliveries >= _MAX_DELIVERY:
            self.schedule.add("message", number, "goes to the dead letters")
            self.queue.bury(held, "MaxDeliveryCountExceeded")
            return
        ready = [host for host in self.hosts if host.takes_messages]
        if not ready:
            self._unoffered.append(number)
            return
        if held.deliveries:
            self.is_untroubled = False
        host = ready[0] if len(ready) == 1 else self.rng.choice(ready)
        received = self.queue.take(held, self.setting.lock)
        self.schedule.add(
            host.name, "<-", held.queue, _shown(held.body), f"#{number}", f"x{held.deliveries}"
        )
        host.deliver(received)
        if self.faults.strikes(self.faults.doubled):
            wait = self.rng.choice((0.0, 0.01, 0.1, 5.0))
            self.loop.call_later(wait, self._lose_lock, received.lock_token)

    def _lose_lock(self, lock: str) -> None:
        if self.queue.unlock(lock, self.clock.unix()):
            self.schedule.add("the lock of", f"#{lock}", "is lost")

    def host_is_ready(self) -> None:
        """What waited for a host is offered to it."""
        waiting, self._unoffered = self._unoffered, []
        for number in waiting:
            self._offer(number)

    # -- what ports need ----------------------------------------------------------------

    def fault(self, life: Life, port: str, call: str, about: str) -> Fault | None:
        found = self.faults.next()
        if found is None:
            return None
        self.expect(0.0)
        self.queue_was_out |= port == "queue"
        if found is not Fault.REPEATED or port != "queue":
            self.is_untroubled = False
        if found is Fault.FROZEN:
            seconds = self.rng.choice((20.0, 70.0, 320.0, 700.0))
            self.schedule.add(life.host, port, call, about, f"stands still for {seconds:g} s")
            self._host(life).freeze(seconds)
            self.expect(seconds)
        else:
            self.schedule.add(life.host, port, call, about, found.value)
        return found

    def expect(self, seconds: float) -> None:
        """Something takes so long by itself."""
        self.troubled_at = max(self.troubled_at, self.loop.time() + seconds)

    async def pass_time(self, life: Life, *, slow: bool = False) -> None:
        seconds = 0.02 * self.rng.random()
        if slow:
            seconds += self.rng.uniform(1, 45)
        await self.rest(seconds)
        host = self._host(life)
        while not life.ended and host.frozen_until > self.loop.time():
            await self.rest(host.frozen_until - self.loop.time())
        if life.ended:
            raise HostEnded

    async def rest(self, seconds: float) -> None:
        """So long, of the world's time."""
        over = self.loop.create_future()
        self.loop.call_later(seconds, _set, over)
        await over

    def end(self, life: Life) -> None:
        self.is_untroubled = False
        self._host(life).end()

    def move_etags(self, partition: str, ids: list[str]) -> None:
        for id in ids:
            self.store.restamp(partition, id)

    def _host(self, life: Life) -> Host:
        return next(host for host in self.hosts if host.name == life.host)

    # -- users --------------------------------------------------------------------------

    async def ask(self, what: str, call: Callable[[Application], Awaitable[T]]) -> T:
        """As a user's program does: of whichever host, again after what may pass."""
        for _ in range(_TRIES):
            host = self.rng.choice(self.hosts)
            if host.life.ended:
                await self.rest(0.5)
                continue
            self.schedule.add("a user", "->", host.name, what)
            try:
                return await host.serve(call)
            except (Unavailable, Throttled, HostEnded, TimeoutError) as error:
                self.schedule.add("a user", "<-", type(error).__name__)
                await self.rest(1.0)
            except DomainError as error:
                self.schedule.add("a user", "<-", error.code, error.message)
                if not error.message.endswith("Try again."):
                    raise
                await self.rest(0.1)
        raise Broken(f"nobody answers: {what}")

    async def tell(self, container: str, blob: BlobProperties) -> None:
        """Of a blob, by whichever host: again and again until it went well, now and then twice."""
        times = 2 if self.rng.random() < 0.2 else 1
        for _ in range(_TRIES):
            host = self.rng.choice(self.hosts)
            if not host.takes_messages:
                await self.rest(0.5)
                continue
            self.schedule.add(host.name, "<- blob", blob.name, blob.etag)
            try:
                await host.arrive(container, blob)
            except (DomainError, HostEnded, TimeoutError) as error:
                self.schedule.add(host.name, "failed:", type(error).__name__)
                await self.rest(1.0)
                continue
            times -= 1
            if not times:
                return
        raise Broken(f"nobody hears of {blob.name}")

    async def until(self, what: str, look: Callable[[], bool], limit: float) -> None:
        """Let the world go on until `look` is true. Broken when that takes `limit` seconds."""
        ends = self.loop.time() + limit
        pause = 0.5
        while not look():
            self.check()
            self.invariants.look_round()
            if self.loop.time() > ends:
                raise Broken(f"not within {limit:g} s: {what}. {self._left()}")
            await self.rest(pause)
            pause = min(5.0, pause * 1.1)
        self.check()

    def check(self) -> None:
        """Raises Broken as soon as something was found."""
        if self.broken is not None:
            raise self.broken
        if self.loop.mishaps:
            error = self.loop.mishaps[0]
            raise Broken(f"nobody expected {type(error).__name__}: {error}") from error

    def find(self, broken: Broken) -> None:
        """Something is not as it must be; the first such thing counts."""
        if self.broken is None:
            self.schedule.add("BROKEN:", broken)
            self.broken = broken

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way, and nothing falls due today."""
        due = self.store.next_due()
        return not self.queue.messages and (due is None or due > self.clock.unix() + _TODAY)

    def _left(self) -> str:
        due = [f"{row.partition} {row.id}" for row in self.store.rows() if row.due_at is not None]
        waiting = [f"{m.queue} {_shown(m.body)}" for m in self.queue.messages.values()]
        return f"Due: {due[:5]}; in queues: {waiting[:5]}"


def _set(future: Any) -> None:
    if not future.done():
        future.set_result(None)


def _shown(body: bytes) -> str:
    fields = json.loads(body)
    return " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
