"""One client's connection: proton's engine on an asyncio transport."""

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from proton import (
    Collector,
    Condition,
    Endpoint,
    Event,
    Link,
    Message,
    Terminus,
    Transport,
    symbol,
    ulong,
)
from proton import Connection as Engine

from tests.servers.service_bus.dispositions import LOCK_LOST, NO_INFO, accept, asked, echo, reject
from tests.servers.service_bus.encoding import BATCH_FORMAT, Frames, WireError, batched
from tests.servers.service_bus.faults import Detach, Drop, Ignore, Refuse
from tests.servers.service_bus.messages import Stored
from tests.servers.service_bus.queue import LockLost, Queue

if TYPE_CHECKING:
    from tests.servers.service_bus.broker import Broker

_log = logging.getLogger(__name__)

_TICK = 5.0
_CREDIT = 500


class BrokerConnection(asyncio.Protocol):
    """Speaks for the broker to one client until either side ends it."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._frames = Frames()
        self._engine = Engine()
        self._events = Collector()
        self._engine.collect(self._events)
        self._proton = Transport(Transport.SERVER)
        self._proton.sasl().allowed_mechs("ANONYMOUS")
        self._proton.bind(self._engine)
        self._transport: asyncio.Transport | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._incoming: dict[Any, tuple[Queue | None, str]] = {}
        self._outgoing: dict[Any, Queue] = {}
        self._replies: dict[tuple[Any, str], Any] = {}
        self._locks: dict[Any, uuid.UUID] = {}

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._broker.connections.add(self)
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._broker.connections.discard(self)
        if self._ticking is not None:
            self._ticking.cancel()
        self._locks.clear()
        self._incoming.clear()
        self._outgoing.clear()
        self._replies.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
        except WireError as error:
            _log.warning("a client does not speak AMQP 1.0: %s", error)
            self.drop()
        self.flush()

    def _take(self, frame: bytes) -> None:
        at = 0
        while at < len(frame) and self._transport is not None:
            room = self._proton.capacity()
            if room <= 0:
                # The engine has closed its ear, after an error that `flush` tells of.
                return
            self._proton.push(frame[at : at + room])
            at += room
            self._process()

    def drop(self) -> None:
        """End it as a network does: without a word."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def flush(self) -> None:
        """Write what the engine has to say."""
        while self._transport is not None and (pending := self._proton.pending()) > 0:
            self._transport.write(bytes(self._proton.peek(pending)))
            self._proton.pop(pending)
        if self._transport is not None and self._proton.pending() < 0:
            self._transport.close()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._proton.tick(loop.time())
        self.flush()
        self._ticking = loop.call_later(_TICK, self._tick)

    # The engine's side

    def _process(self) -> None:
        while (event := self._events.peek()) is not None:
            self._on(event)
            self._events.pop()

    def _on(self, event: Any) -> None:
        kind = event.type
        if kind == Event.CONNECTION_REMOTE_OPEN:
            self._engine.container = self._broker.name
            self._engine.open()
        elif kind == Event.CONNECTION_REMOTE_CLOSE:
            self._engine.close()
        elif kind == Event.SESSION_REMOTE_OPEN:
            event.session.open()
        elif kind == Event.SESSION_REMOTE_CLOSE:
            event.session.close()
        elif kind == Event.LINK_REMOTE_OPEN:
            self._attached(event.link)
        elif kind in (Event.LINK_REMOTE_CLOSE, Event.LINK_REMOTE_DETACH):
            self._detached(event.link)
        elif kind == Event.LINK_FLOW:
            if event.link.is_sender and event.link in self._outgoing:
                self.hand_out(event.link)
        elif kind == Event.DELIVERY:
            if event.delivery.link.is_receiver:
                self._received(event.delivery)
            elif event.delivery.updated:
                self._settled(event.delivery)

    def _attached(self, link: Any) -> None:
        terminus = link.remote_source if link.is_sender else link.remote_target
        path = path_of(terminus.address or "")
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        fault = self._broker.faults.attaches.popleft() if self._broker.faults.attaches else None
        entity, _, rest = path.partition("/$management")
        is_node = path == "$cbs" or (path.endswith("$management") and not rest)
        queue = None if path == "$cbs" else self._broker.find(entity)
        if fault is not None:
            self._close(link, fault)
            return
        if path != "$cbs" and queue is None:
            said = f"The messaging entity '{entity}' could not be found."
            self._close(link, Refuse("amqp:not-found", said))
            return
        if link.is_sender:
            link.snd_settle_mode = link.remote_snd_settle_mode
            link.rcv_settle_mode = link.remote_rcv_settle_mode
            link.open()
            if is_node:
                self._replies[link.session, path] = link
            elif queue is not None:
                self._outgoing[link] = queue
        else:
            limit = self._broker.max_message_size
            link.max_message_size = limit
            link.properties = {symbol("com.microsoft:max-message-batch-size"): ulong(limit)}
            link.open()
            link.flow(_CREDIT)
            self._incoming[link] = (queue, path)

    def _detached(self, link: Any) -> None:
        self._incoming.pop(link, None)
        self._outgoing.pop(link, None)
        self._replies = {k: v for k, v in self._replies.items() if v != link}
        link.close()

    def _close(self, link: Any, fault: Refuse | Detach) -> None:
        said = fault.description if isinstance(fault, Refuse) else "as the test wants it"
        link.condition = Condition(fault.condition, said, NO_INFO)
        if not link.state & Endpoint.LOCAL_ACTIVE:
            terminus = link.source if link.is_sender else link.target
            terminus.type = Terminus.UNSPECIFIED
            link.open()
        link.close()
        self._incoming.pop(link, None)
        self._outgoing.pop(link, None)

    def detach(self, queue: Queue, fault: Detach) -> None:
        """Detach every link to a queue."""
        links = [link for link, to in self._outgoing.items() if to is queue]
        links += [link for link, (to, path) in self._incoming.items() if to is queue]
        for link in links:
            self._close(link, fault)
        self.flush()

    # What clients send

    def _received(self, delivery: Any) -> None:
        link = delivery.link
        if delivery.aborted:
            delivery.settle()
            return
        if not delivery.readable or delivery.partial or link not in self._incoming:
            return
        content = bytes(link.recv(delivery.pending)) if delivery.pending else b""
        link.advance()
        message_format = self._frames.message_format(link.name)
        link.flow(_CREDIT - link.credit)
        queue, path = self._incoming[link]
        if path == "$cbs" or path.endswith("$management"):
            self._request(link, path, queue, content)
            accept(delivery)
        elif queue is not None:
            self._sent(delivery, queue, content, message_format)

    def _sent(self, delivery: Any, queue: Queue, content: bytes, message_format: int) -> None:
        faults, link = self._broker.faults, delivery.link
        self._broker.transfers += 1
        fault = faults.sends.popleft() if faults.sends else None
        if fault is None and len(content) > self._broker.max_message_size:
            fault = Refuse(
                "amqp:link:message-size-exceeded",
                f"The received message (size {len(content)}) exceeds the limit"
                f" ({self._broker.max_message_size} bytes).",
            )
        if fault is None or fault == Drop(stored=True):
            try:
                encoded = batched(content) if message_format == BATCH_FORMAT else [content]
                messages = [Stored.received(one) for one in encoded]
            except WireError as error:
                fault = Refuse("amqp:decode-error", str(error))
            else:
                for message in messages:
                    queue.put(message)
        match fault:
            case None:
                if faults.delay:
                    asyncio.get_running_loop().call_later(faults.delay, self._accept, delivery)
                else:
                    accept(delivery)
            case Refuse():
                reject(delivery, fault)
            case Drop():
                self.drop()
            case Detach():
                self._close(link, fault)
            case Ignore():
                pass

    def _accept(self, delivery: Any) -> None:
        if self._transport is not None:
            accept(delivery)
            self.flush()

    def _request(self, link: Any, path: str, queue: Queue | None, content: bytes) -> None:
        request = Message()
        request.decode(content)
        reply = self._broker.answer(path, queue, request)
        if isinstance(reply, Drop):
            self.drop()
            return
        to = self._replies.get((link.session, path))
        if reply is None or to is None:
            return
        reply.correlation_id = request.id
        to.delivery(uuid.uuid4().bytes)
        to.stream(bytes(reply.encode()))
        to.current.settle()

    # What clients receive

    def links_to(self, queue: Queue) -> list[Any]:
        return [link for link, to in self._outgoing.items() if to is queue]

    def hand_out(self, link: Any, limit: int | None = None) -> int:
        """Give the link's client messages for its credit; how many it got."""
        queue, given = self._outgoing[link], 0
        while link.credit > 0 and (limit is None or given < limit) and self._transport:
            faults = self._broker.faults.deliveries
            if link.snd_settle_mode == Link.SND_SETTLED:
                message = queue.remove()
                if message is None:
                    break
                link.delivery(uuid.uuid4().bytes)
                link.stream(message.delivered())
                link.current.settle()
            else:
                lock = queue.take()
                if lock is None:
                    break
                delivery = link.delivery(lock.token.bytes_le)
                self._locks[delivery] = lock.token
                link.stream(lock.message.delivered(lock.until))
                link.advance()
            given += 1
            if faults:
                fault = faults.popleft()
                if isinstance(fault, Drop):
                    if fault.stored:
                        self.flush()
                        if self._transport is not None:
                            self._transport.close()
                    self.drop()
                else:
                    self._close(link, fault)
                break
        if link.drain_mode:
            link.drained()
        return given

    def _settled(self, delivery: Any) -> None:
        token = self._locks.get(delivery)
        if token is None or not (delivery.remote_state or delivery.settled):
            return
        queue = self._outgoing.get(delivery.link)
        if queue is None:
            return
        faults = self._broker.faults.settlements
        fault = faults.popleft() if faults else None
        del self._locks[delivery]
        self._broker.dispositions += 1
        if isinstance(fault, Ignore):
            return
        refused = self._apply(delivery, queue, token) if fault is None or fault.stored else None
        if fault is not None:
            self.drop()
        elif refused is not None:
            reject(delivery, refused)
        else:
            echo(delivery)

    def _apply(self, delivery: Any, queue: Queue, token: uuid.UUID) -> Refuse | None:
        outcome, reason, description = asked(delivery)
        try:
            queue.settle(token, outcome, reason, description)
        except LockLost:
            return LOCK_LOST
        return None


def path_of(address: str) -> str:
    """The entity's path in a link's address, which may be a whole URL."""
    _, found, rest = address.partition("://")
    return rest.partition("/")[2] if found else address.lstrip("/")
