"""Sending to Service Bus, and what may go wrong with it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken

from domain import errors
from domain.ports import Message
from infra.cloud.queues.service_bus import Patience, ServiceBus
from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue

pytest.importorskip("proton", reason="python-qpid-proton is missing; `make test` installs it")

from tests.infra.cloud.changed_patience import change
from tests.kit.waiting import PATIENCE, eventually, patience
from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.faults import BUSY, Detach, Drop, Ignore, Refuse
from tests.servers.service_bus.queue import Queue

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.cloud,
    # The SDK never closes the transport of a connection that it lost.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

A = Message({"n": "a"})
_PATIENCE = Patience(attempt=PATIENCE, budget=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def queue(bus: ServiceBus) -> AsyncIterator[ServiceBusWorkQueue]:
    queue = ServiceBusWorkQueue(bus, patience=_PATIENCE)
    yield queue
    await queue.close()


async def test_many_messages_go_in_few_transfers_over_one_connection(
    broker: Broker, entity: Queue, queue: ServiceBusWorkQueue
) -> None:
    transfers, connections = broker.transfers, len(broker.connections)
    large = [Message({"n": n, "x": "x" * 100_000}) for n in range(6)]
    sends = [queue.send(entity.name, A) for _ in range(4)]
    await asyncio.gather(queue.send(entity.name, *large), *sends)
    assert entity.counts().active == 10
    assert broker.transfers == transfers + 3 + 4
    assert len(broker.connections) == connections + 1


async def test_a_delay_is_the_services_to_keep(entity: Queue, queue: ServiceBusWorkQueue) -> None:
    await queue.send(entity.name, A, Message({}, timedelta(hours=1)), Message({}, timedelta(-1)))
    counts = entity.counts()
    assert (counts.active, counts.scheduled) == (2, 1)


async def test_the_services_own_limit_counts_more_than_the_body(
    entity: Queue, queue: ServiceBusWorkQueue
) -> None:
    within = Message({"x": "x" * (256 * 1024 - 8)})
    with pytest.raises(errors.MessageTooLarge):
        await queue.send(entity.name, within)
    await queue.send(entity.name, Message({"x": "x" * (255 * 1024)}))
    assert entity.counts().active == 1


async def test_a_busy_service_is_asked_again(
    broker: Broker, entity: Queue, queue: ServiceBusWorkQueue
) -> None:
    broker.faults.sends.extend(
        [BUSY, Refuse("com.microsoft:timeout"), Refuse("amqp:internal-error")]
    )
    await queue.send(entity.name, A)
    assert entity.counts().active == 1


async def test_a_service_that_stays_busy_is_surfaced_with_a_time(
    broker: Broker, entity: Queue, bus: ServiceBus
) -> None:
    own = replace(_PATIENCE)
    queue = ServiceBusWorkQueue(bus, patience=own)
    await queue.send(entity.name, A)
    tries, budget = 0, 1.5
    while tries < 2:
        # Enough for this machine to try it twice.
        change(own, budget=budget)
        broker.faults.sends.extend([BUSY] * 50)
        with pytest.raises((errors.Throttled, errors.Unavailable)) as refused:
            await queue.send(entity.name, A)
        tries = 50 - len(broker.faults.sends)
        assert tries <= 10 * budget
        broker.faults.sends.clear()
        budget *= 2
    assert isinstance(refused.value, errors.Throttled)
    assert refused.value.retry_after == 10
    change(own, attempt=PATIENCE, budget=PATIENCE)
    await queue.send(entity.name, A)
    assert entity.counts().active == 2
    await queue.close()


@pytest.mark.parametrize("fault", [Drop(), Drop(stored=True), Detach()])
async def test_a_connection_lost_in_mid_send_loses_nothing(
    broker: Broker, entity: Queue, queue: ServiceBusWorkQueue, fault: Drop | Detach
) -> None:
    broker.faults.sends.append(fault)
    await queue.send(entity.name, A, A)
    stored = isinstance(fault, Drop) and fault.stored
    # At least once: what was stored before the connection went is sent again.
    assert entity.counts().active == (4 if stored else 2)


async def test_links_that_were_lost_while_idle_are_opened_again(
    broker: Broker, entity: Queue, queue: ServiceBusWorkQueue
) -> None:
    await queue.send(entity.name, A)
    broker.drop_connections()
    await queue.send(entity.name, A)
    broker.detach(entity.name)
    await queue.send(entity.name, A)
    assert entity.counts().active == 3


async def test_a_send_that_is_never_answered_ends_within_its_time(
    broker: Broker, entity: Queue, bus: ServiceBus
) -> None:
    own = replace(_PATIENCE)
    queue = ServiceBusWorkQueue(bus, patience=own)
    await queue.send(entity.name, A)
    broker.faults.sends.append(Ignore())
    change(own, attempt=0.8, budget=0.8)
    async with patience():
        # (Where this machine is too slow to send it at all, again.)
        while broker.faults.sends:
            with pytest.raises(errors.Unavailable):
                await queue.send(entity.name, A)
    change(own, attempt=PATIENCE, budget=PATIENCE)
    await queue.send(entity.name, A)
    await queue.close()


async def test_a_send_that_is_cancelled_leaves_the_queue_usable(
    broker: Broker, entity: Queue, queue: ServiceBusWorkQueue
) -> None:
    await queue.send(entity.name, A)
    broker.faults.sends.append(Ignore())
    sending = asyncio.create_task(queue.send(entity.name, A))
    await eventually(lambda: not broker.faults.sends)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await queue.send(entity.name, A)
    assert entity.counts().active == 2


async def test_a_queue_that_is_not_there_is_named_at_once(queue: ServiceBusWorkQueue) -> None:
    with pytest.raises(errors.Unavailable, match="'nowhere' could not be found"):
        await queue.send("nowhere", A)


async def test_a_service_that_is_away_or_refuses_the_key_is_unavailable(broker: Broker) -> None:
    wrong = broker.connection_string.replace("SharedAccessKey=", "SharedAccessKey=not-")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        away = broker.connection_string.replace(str(broker.port), str(port))
        for connection_string, reason in (
            (away, "Service Bus"),
            (wrong, "does not let this app in"),
        ):
            bus = ServiceBus(connection_string=connection_string)
            said, budget = "", 1.0
            while reason not in said and budget < PATIENCE:
                # Enough for this machine to be answered.
                budget *= 2
                queue = ServiceBusWorkQueue(bus, patience=Patience(PATIENCE, budget))
                with pytest.raises(errors.Unavailable) as refused:
                    await queue.send("work", A)
                said = str(refused.value)
                await queue.close()
            assert reason in said
            await bus.close()


async def test_what_is_not_json_or_has_no_name_is_refused(queue: ServiceBusWorkQueue) -> None:
    with pytest.raises(errors.Invalid):
        await queue.send("work", Message({"x": float("nan")}))
    with pytest.raises(errors.Invalid):
        await queue.send("", A)


class NoToken:
    """A credential that nobody asks for a token."""

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        raise AssertionError("asked for a token before anything is sent")

    async def close(self) -> None: ...

    async def __aenter__(self) -> "NoToken":
        return self

    async def __aexit__(self, *error: object) -> None: ...


async def test_an_identity_is_a_way_in_that_is_not_used_before_it_must() -> None:
    bus = ServiceBus(namespace="x.servicebus.windows.net", credential=NoToken())
    assert bus.sender("work").fully_qualified_namespace == "x.servicebus.windows.net"
    await bus.close()


async def test_a_namespace_needs_one_way_in() -> None:
    with pytest.raises(ValueError, match="connection string"):
        ServiceBus()
    with pytest.raises(ValueError, match="connection string"):
        ServiceBus(namespace="x.servicebus.windows.net")
