"""The host, when a test says so: every function of an app, indexed as infra/embedded/host does it
and driven by its own bindings, with nothing in the background and on a clock that the test holds.
(The HTTP functions, of which there are many, are indexed once a client wants them.)

host = PumpingHost(application, queue, clock)
await host.turn()           what is in the queues now, each message by the function whose binding
                            names its queue
await host.run("sweep")     a timer, now
await host.tick()           the timers whose schedules the clock has passed
await host.arrive(blobs, "batch-inbox", await blobs.properties("batch-inbox", "irises/a.csv"))
client = host.client(URL)   its HTTP door
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import azure.functions as func
import httpx

from domain.application import Application
from domain.ground import messages
from domain.ports import BlobProperties, BlobStore, Clock
from domain.schedules.cron import Cron
from handlers import event_blueprints, http_blueprints
from infra.embedded.arrivals.arrival_sources import ListedSource
from infra.embedded.arrivals.blob_arrivals import input_stream, path_pattern
from infra.embedded.host.functions import HostedFunction, index
from infra.embedded.host.host_json import read_host_json
from infra.embedded.host.http_app import HttpApp
from infra.embedded.host.invocation import begin
from infra.embedded.host.queue_delivery import Listening, QueueDelivery
from infra.embedded.host.timers import timer_request
from infra.rules.queue_consumer import QueueConsumer, Received
from tests.kit.real_app import ROOT
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.waiting import PATIENCE

QUEUES = tuple(value for name, value in vars(messages).items() if name.endswith("_QUEUE"))
HOST_JSON = read_host_json(ROOT / "host.json")
MAX_DELIVERY = 5
LISTENING = Listening(
    max_concurrent_calls=HOST_JSON.max_concurrent_calls,
    max_delivery=MAX_DELIVERY,
    # A host renews the locks of what it has in hand, for so long.
    lock=HOST_JSON.max_auto_lock_renewal,
    max_renewal=HOST_JSON.max_auto_lock_renewal,
)


class PumpingHost:
    """A queue that no function is bound to, a function under a name that is not there, a blob
    that none is triggered by: each fails the test. What functions raise under messages is a failed
    delivery, as in a host, and stands in `failures`; under timers and blobs it is raised on."""

    def __init__(self, application: Application, consumer: QueueConsumer, clock: Clock) -> None:
        self._application = application
        self._functions = indexed(event_blueprints(application))
        self._clock = clock
        self._deliveries: dict[str, QueueDelivery] = {}
        for function in self._of("serviceBusTrigger"):
            delivery = QueueDelivery(function, consumer, LISTENING)
            assert delivery.queue_name not in self._deliveries, "two functions on one queue"
            self._deliveries[delivery.queue_name] = delivery
        self._timers = {function.name: _Timer(function) for function in self._of("timerTrigger")}
        self._looked_at = clock.now()
        self.failures: list[Exception] = []

    def _of(self, trigger_type: str) -> list[HostedFunction]:
        return [f for f in self._functions if f.trigger_type == trigger_type]

    # -- queues -------------------------------------------------------------------------

    async def receive(
        self, queues: Sequence[str] = QUEUES, at_most: int = HOST_JSON.max_concurrent_calls
    ) -> list[Received]:
        """What may be delivered now, of each of `queues` so many, locked."""
        return [
            message for queue in queues for message in await self._bound_to(queue).receive(at_most)
        ]

    async def deliver(self, message: Received) -> None:
        """Call the function and settle the message, as one invocation."""
        delivering = self._bound_to(message.queue).deliver(message)
        error = await asyncio.create_task(delivering)
        if error is not None:
            self.failures.append(error)

    async def call(self, message: Received) -> None:
        """Call the function with it once more, settled or not; what it raises is raised."""
        await asyncio.create_task(self._bound_to(message.queue).call(message))

    async def turn(self, queues: Sequence[str] = QUEUES) -> int:
        """Deliver what is there now, one message after the other; how many they were."""
        received = await self.receive(queues)
        for message in received:
            await self.deliver(message)
        return len(received)

    async def pump(self, queues: Sequence[str] = QUEUES, turns: int = 500) -> None:
        """Deliver until nothing is due, without any time passing."""
        for _ in range(turns):
            if not await self.turn(queues):
                return
        raise AssertionError(f"messages go on after {turns} turns")

    def _bound_to(self, queue: str) -> QueueDelivery:
        assert queue in self._deliveries, f"no function's binding names the queue {queue!r}"
        return self._deliveries[queue]

    # -- timers -------------------------------------------------------------------------

    async def run(self, name: str) -> None:
        """Have the timer of this name come due now."""
        assert name in self._timers, f"no timer triggers a function {name!r}"
        await asyncio.create_task(self._timers[name].run(self._clock.now()))

    async def tick(self) -> None:
        """Run each timer, once, whose schedule has come by since the last look."""
        now = self._clock.now()
        due = [name for name, timer in self._timers.items() if timer.is_due(self._looked_at, now)]
        self._looked_at = now
        for name in due:
            await self.run(name)

    # -- blobs and HTTP -----------------------------------------------------------------

    async def arrive(self, blobs: BlobStore, container: str, blob: BlobProperties) -> None:
        """Have what is in `blobs` come to rest now."""
        place = f"{container}/{blob.name}"
        triggered = [
            f for f in self._of("blobTrigger") if _is_triggered_by(f, container, blob.name)
        ]
        assert triggered, f"no function's binding names {place}"
        stream = input_stream(
            blob,
            self._clock.now(),
            ListedSource(blobs, container).body(blob.name),
            container=container,
            url=blobs.url(container, blob.name),
        )
        for function in triggered:
            await asyncio.create_task(_called(function, stream))

    def client(self, base_url: str, **options: Any) -> httpx.AsyncClient:
        """A client of the HTTP functions, without a socket; the caller closes it."""
        functions = indexed(http_blueprints(self._application))
        asgi: Any = HttpApp(
            functions,
            exact={},
            scripts=NO_SCRIPTS,
            route_prefix=HOST_JSON.route_prefix,
            prefixes=(),
            log_requests=False,
        )
        transport = httpx.ASGITransport(asgi)
        return httpx.AsyncClient(
            transport=transport, base_url=base_url, timeout=PATIENCE, **options
        )


def indexed(blueprints: Iterable[func.Blueprint]) -> list[HostedFunction]:
    """The functions of an app of these."""
    app = func.FunctionApp()
    for blueprint in blueprints:
        app.register_functions(blueprint)
    return index(app, {})


class _Timer:
    def __init__(self, function: HostedFunction) -> None:
        self._function = function
        self._cron = Cron(str(function.trigger["schedule"]))
        self._last: datetime | None = None

    def is_due(self, since: datetime, now: datetime) -> bool:
        return self._cron.next_after(since) <= now

    async def run(self, now: datetime) -> None:
        upcoming = self._cron.next_after(now)
        request = timer_request(past_due=False, last=self._last, upcoming=upcoming)
        self._last = now
        await _called(self._function, request)


async def _called(function: HostedFunction, argument: object) -> None:
    begin(function.name)
    await function.call(argument)


def _is_triggered_by(function: HostedFunction, container: str, name: str) -> bool:
    at, pattern = path_pattern(str(function.trigger["path"]))
    return at == container and pattern.fullmatch(name) is not None
