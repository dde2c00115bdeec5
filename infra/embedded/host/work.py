"""What a host does beside answering requests: it receives messages, looks for blobs, keeps time,
and has models run."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from infra.compute.succession import Instances
from infra.embedded.arrivals.blob_arrivals import Arriving, BlobArrivals, path_pattern
from infra.embedded.arrivals.receipts import Receipts
from infra.embedded.host.functions import HostedFunction
from infra.embedded.host.host_json import HostJson
from infra.embedded.host.queue_delivery import Listening
from infra.embedded.host.queue_listener import QueueListener
from infra.embedded.host.timers import Timer
from infra.embedded.services import EmbeddedServices

_log = logging.getLogger(__name__)

_CLOSE = 15.0
_LOOK_AGAIN = 0.5


async def stopped(*stops: Coroutine[Any, Any, None], grace: float) -> None:
    """All at once; what does not stop in time is told of and left."""
    tasks = [asyncio.ensure_future(stop) for stop in stops]
    if not tasks:
        return
    done, still = await asyncio.wait(tasks, timeout=grace + _CLOSE)
    for task in done:
        if not task.cancelled() and task.exception() is not None:
            _log.error("something did not stop cleanly", exc_info=task.exception())
    for task in still:
        _log.error("something did not stop within %d seconds", grace + _CLOSE)
        task.cancel()


class _Trigger(Protocol):
    def start(self) -> None: ...

    async def stop(self, grace: float) -> None: ...


class HostWork:
    """The triggers of an app's functions. What is in hand when they stop has the settings'
    grace to end, and is given back then."""

    def __init__(
        self,
        functions: Sequence[HostedFunction],
        services: EmbeddedServices,
        host_json: HostJson,
    ) -> None:
        """Raises CronError."""
        self._functions = functions
        self._services = services
        self._host_json = host_json
        self._grace = services.settings.embedded.stop_grace
        self._triggers = self._made()
        self._has_begun = False
        self._waiting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """At once, or as soon as the folder is told to go on."""
        paused = self._services.folder.paused
        if not paused.exists():
            self._begin()
            return
        _log.warning(
            "This host was told to wait: it answers, and does nothing by itself until"
            " `python -m infra.embedded resume --data-dir %s`",
            paused.parent,
            extra={"action": "host_paused"},
        )
        self._waiting = asyncio.create_task(self._begin_when_told(), name="paused")

    async def _begin_when_told(self) -> None:
        while self._services.folder.paused.exists():  # noqa: ASYNC110 (another process tells)
            await asyncio.sleep(_LOOK_AGAIN)
        self._begin()
        _log.info("This host goes on", extra={"action": "host_resumed"})

    def _begin(self) -> None:
        self._has_begun = True
        for trigger in self._triggers:
            trigger.start()

    async def stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if not self._has_begun:
            return
        self._has_begun = False
        await stopped(*(trigger.stop(self._grace) for trigger in self._triggers), grace=self._grace)

    async def hand_over(self) -> Sequence[str]:
        """Nothing is received or started any more; the keys of what is served on."""
        await self.stop()
        succession = self._services.compute.succession
        if succession is None:
            return ()
        await succession.hand_over()
        return sorted(succession.own())

    async def take_back(self) -> None:
        """What was handed over goes on here. Raises DomainError; it may be called again then."""
        succession = self._services.compute.succession
        if succession is not None:
            succession.take_back()
        await self._services.stores.start()
        self._triggers = self._made()
        self.start()

    def use(self, others: Instances) -> None:
        """Another host's instances take the requests for what they serve."""
        succession = self._services.compute.succession
        if succession is not None:
            succession.use(others)

    def _made(self) -> list[_Trigger]:
        services, host_json = self._services, self._host_json
        listening = Listening(
            max_concurrent_calls=host_json.max_concurrent_calls,
            max_renewal=host_json.max_auto_lock_renewal,
            max_delivery=services.settings.triggers.queue_max_delivery,
        )
        arriving = Arriving(
            parallel=host_json.blob_parallelism, tries=host_json.poison_blob_threshold
        )
        triggers: list[_Trigger] = []
        for function in self._functions:
            match function.trigger_type:
                case "serviceBusTrigger":
                    triggers.append(QueueListener(function, services.stores.consumer, listening))
                case "timerTrigger":
                    triggers.append(Timer(function, services.clock))
                case "blobTrigger":
                    container, _ = path_pattern(str(function.trigger["path"]))
                    receipts = Receipts(services.receipts, function.name, container)
                    source = services.stores.arrivals_in(container)
                    triggers.append(
                        BlobArrivals(function, source, services.stores.blobs, receipts, arriving)
                    )
        return triggers
