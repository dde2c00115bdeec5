"""A Service Bus namespace on loopback, in memory, for tests: azure-servicebus works with it
through the same connection string as with Microsoft's emulator.

It runs on the event loop of whoever starts it, so that a test can look inside and make it
fail (`faults`).
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, quote_plus

from tests.servers.service_bus.connection import BrokerConnection
from tests.servers.service_bus.faults import Detach, Drop, Faults, Refuse
from tests.servers.service_bus.management import manage, put_token, refusal
from tests.servers.service_bus.queue import Queue

_LIMIT = 256 * 1024
_DEAD_LETTERS = "/$deadletterqueue"
_MANAGEMENT_STATUS = {
    "com.microsoft:server-busy": 503,
    "com.microsoft:message-lock-lost": 410,
    "amqp:not-found": 404,
    "com.microsoft:timeout": 408,
    "amqp:unauthorized-access": 401,
}


class Broker:
    """Serves queues, those given and those added, each with a dead-letter subqueue."""

    def __init__(
        self,
        queues: Iterable[str] = (),
        *,
        lock_duration: float = 30.0,
        max_delivery_count: int = 10,
        max_message_size: int = _LIMIT,
        key: str = "a-key-for-tests",
    ) -> None:
        self.name = "service-bus-for-tests"
        self.max_message_size = max_message_size
        self.faults = Faults()
        self.connections: set[BrokerConnection] = set()
        self.transfers = self.dispositions = self.requests = 0
        """What clients have asked for: sends (a batch is one), settlements and management."""
        self._key = key
        self._stirred: set[Queue] = set()
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._queues: dict[str, Queue] = {}
        for name in queues:
            self.add(name, lock_duration=lock_duration, max_delivery_count=max_delivery_count)

    def add(
        self,
        name: str,
        *,
        lock_duration: float = 30.0,
        max_delivery_count: int = 10,
        now: Callable[[], float] = time.time,
    ) -> Queue:
        """Of a queue with a clock of its own nothing comes due by itself: `tidy` it."""
        queue = self._queues[name.lower()] = Queue(
            name,
            now=now,
            changed=self._changed,
            lock_duration=lock_duration,
            max_delivery_count=max_delivery_count,
        )
        return queue

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: BrokerConnection(self), "127.0.0.1", port)

    async def stop(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
        if self._server is not None:
            self._server.close()
            self.drop_connections()
            await self._server.wait_closed()
        # Lets the transports that were aborted say so.
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connection_string(self) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=tests;"
            f"SharedAccessKey={self._key};UseDevelopmentEmulator=true"
        )

    def queue(self, name: str) -> Queue:
        return self._queues[name.lower()]

    def find(self, path: str) -> Queue | None:
        """The queue or dead-letter subqueue at a path; None if there is none."""
        path = path.lower()
        queue = self._queues.get(path.removesuffix(_DEAD_LETTERS))
        return queue.dead_letters if queue and path.endswith(_DEAD_LETTERS) else queue

    def drop_connections(self) -> None:
        """The network goes away for everyone who is connected."""
        for connection in list(self.connections):
            connection.drop()

    def detach(self, queue: str, condition: str = "amqp:link:detach-forced") -> None:
        """Detach all links to a queue, as the service does to idle ones and at upgrades."""
        for connection in list(self.connections):
            connection.detach(self.queue(queue), Detach(condition))

    def answer(self, path: str, queue: Queue | None, request: Any) -> Any:
        """The reply to a request; a Drop to end the connection; None for none ever."""
        if path == "$cbs":
            return put_token(request, self._is_ours)
        self.requests += 1
        if self.faults.management:
            fault = self.faults.management.popleft()
            if isinstance(fault, Refuse):
                status = _MANAGEMENT_STATUS.get(fault.condition, 500)
                return refusal(status, fault.condition, fault.description)
            if not isinstance(fault, Drop) or not fault.stored:
                return fault if isinstance(fault, Drop) else None
        assert queue is not None
        return manage(queue, request)

    def _is_ours(self, token: str) -> bool:
        """Whether it is a shared access signature made with this namespace's key."""
        parts = parse_qs(token.removeprefix("SharedAccessSignature "))
        if not {"sr", "se", "sig"} <= parts.keys():
            return False
        signed = f"{quote_plus(parts['sr'][0])}\n{parts['se'][0]}".encode()
        mac = hmac.new(self._key.encode(), signed, hashlib.sha256).digest()
        return base64.b64encode(mac).decode() == parts["sig"][0]

    def _changed(self, queue: Queue) -> None:
        """Hand out soon: not within whatever changes the queue just now."""
        if not self._stirred:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().call_soon(self._hand_out)
        self._stirred.add(queue)

    def _hand_out(self) -> None:
        stirred, self._stirred = self._stirred, set()
        for queue in stirred:
            queue.tidy()
            links = [(c, link) for c in self.connections for link in c.links_to(queue)]
            self._turn += 1
            for at in range(len(links)):
                connection, link = links[(at + self._turn) % len(links)]
                # Each in its turn gets one, so that receivers share what there is.
                if connection.hand_out(link, 1):
                    self._changed(queue)
                connection.flush()
        self._wake_at_next()

    def _wake_at_next(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        every = [*self._queues.values(), *(q.dead_letters for q in self._queues.values())]
        times = [at for queue in every if queue and (at := queue.next_at()) is not None]
        if times:
            delay = max(0.0, min(times) - time.time()) + 0.001
            self._waking = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        for queue in self._queues.values():
            for each in (queue, queue.dead_letters):
                if each is not None:
                    each.tidy()
                    self._stirred.add(each)
        self._hand_out()
