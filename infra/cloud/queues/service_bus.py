"""The process's one client of a Service Bus namespace, its links, and how its faults are met."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from azure.core.credentials_async import AsyncTokenCredential
from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from domain.errors import DomainError, Unavailable
from infra.cloud.faults import fault
from infra.rules.queue_consumer import LockLost

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_CLOSE = 5.0
_LETTING_GO = 2.0

SUBJECT = "Service Bus"
"""Whose faults they are, in what is said of them."""

T = TypeVar("T")
H = TypeVar("H", ServiceBusSender, ServiceBusReceiver)


@dataclass(frozen=True)
class Patience:
    """Seconds: `attempt` bounds one try of a call, `budget` all of its tries together."""

    attempt: float = 10.0
    budget: float = 30.0


class ServiceBus:
    """A namespace by connection string, or by name (`x.servicebus.windows.net`) with a
    credential, which stays its owner's to close. Opens nothing before the first use."""

    def __init__(
        self,
        *,
        connection_string: str | None = None,
        namespace: str | None = None,
        credential: AsyncTokenCredential | None = None,
    ) -> None:
        # Retries happen here, within a budget; the SDK's own would multiply them.
        self._open: Callable[[], ServiceBusClient]
        if connection_string is not None and namespace is None:
            self._open = partial(
                ServiceBusClient.from_connection_string, connection_string, retry_total=0
            )
        elif connection_string is None and namespace is not None and credential is not None:
            self._open = partial(ServiceBusClient, namespace, credential, retry_total=0)
        else:
            raise ValueError("give a connection string, or else a namespace and a credential")
        self._client: ServiceBusClient | None = None

    def sender(self, queue: str) -> ServiceBusSender:
        return self._opened().get_queue_sender(queue)

    def topic_sender(self, topic: str) -> ServiceBusSender:
        return self._opened().get_topic_sender(topic)

    def receiver(self, queue: str) -> ServiceBusReceiver:
        return self._opened().get_queue_receiver(queue)

    def dead_letters(self, queue: str) -> ServiceBusReceiver:
        """Of what a queue has put aside."""
        return self._opened().get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)

    async def close(self) -> None:
        """After everything that uses it is closed."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _opened(self) -> ServiceBusClient:
        if self._client is None:
            self._client = self._open()
        return self._client


class Link(Generic[H]):
    """One sender or receiver that stays open: to close one costs up to a second. The SDK's
    are not safe to share between tasks, so each call wants it `alone`."""

    def __init__(self, make: Callable[[], H]) -> None:
        self._turn = asyncio.Lock()
        self._make: Callable[[], H] = make
        self._handler: H | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def alone(self, budget: float) -> AsyncIterator[None]:
        """Raises Unavailable when others have the link for as long as the budget."""
        try:
            async with asyncio.timeout(budget):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("Too many wait for one Service Bus link.") from None
        try:
            yield
        finally:
            self._turn.release()

    async def opened(self) -> H:
        """For who is alone with it."""
        if self._handler is None:
            self._handler = self._make()
        # Opens it unless it is open, a lost connection included.
        await self._handler.__aenter__()
        return self._handler

    def discard(self) -> None:
        """Whatever is wrong with the handler, the next call gets another."""
        handler, self._handler = self._handler, None
        if handler is not None:
            task = asyncio.create_task(_closed(handler))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        self.discard()
        if self._closing:
            await asyncio.wait(self._closing)


async def _closed(handler: ServiceBusSender | ServiceBusReceiver) -> None:
    try:
        async with asyncio.timeout(_CLOSE):
            await apart(handler.close())
    except Exception as error:  # It may be broken in any way; it is given up all the same.
        _log.debug("a Service Bus link did not close cleanly: %r", error)


async def apart(call: Coroutine[Any, Any, T]) -> T:
    """What a call of the SDK returns, made in a task of its own. The SDK loses a cancellation
    that comes in the same moment as a frame (asyncio.wait_for does, before Python 3.12), and
    goes on; who waits here is cancelled all the same, once the call has ended or has had two
    seconds to. Its link is of no use then."""
    task = asyncio.create_task(call)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=_LETTING_GO)
        task.add_done_callback(_forget)
        raise
    return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.debug("a call to Service Bus that was given up failed: %r", task.exception())


async def persist(
    call: Callable[[], Coroutine[Any, Any, T]], patience: Patience, discard: Callable[[], None]
) -> T:
    """The call's result, after as many tries as the budget allows; each fault that breaks
    its link has it discarded. Raises what the faults' table says."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.budget
    pause = _FIRST_PAUSE
    last: Exception | None = None
    while True:
        left = deadline - loop.time()
        try:
            async with asyncio.timeout(min(patience.attempt, left)):
                return await apart(call())
        except (DomainError, LockLost):
            raise
        except asyncio.CancelledError:
            discard()
            raise
        except Exception as error:  # The SDK's private errors come out of it too.
            met = fault(error, SUBJECT)
            if not met.link_holds:
                discard()
            if last is not None and left < patience.attempt and isinstance(error, TimeoutError):
                # The last try was cut short by the budget; the one before says more.
                raise fault(last, SUBJECT).error from last
            last = error
            wait = pause * random.uniform(0.5, 1.0)
            if not met.passing or loop.time() + wait >= deadline:
                raise met.error from error
            _log.info("Service Bus is tried again in %.1f s: %r", wait, error)
        await asyncio.sleep(wait)
        pause = min(pause * 2, _LONGEST_PAUSE)
