"""What comes of work that newer processes have left, in the app as a host drives it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ground import messages
from domain.ground.messages import EVENTS_QUEUE, PROVISIONING_QUEUE, DeliverEvents
from domain.jobs.records.job_status import JobStatus
from domain.ports import Message
from tests.kit.newer_process import newer_process
from tests.kit.stages import event_stage
from tests.kit.stages.batch_stage import BatchStage
from tests.kit.stages.event_stage import EventStage

QUEUES = [value for name, value in vars(messages).items() if name.endswith("_QUEUE")]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[EventStage]:
    async with event_stage.opened(tmp_path) as stage:
        yield stage


async def dead_letters(stage: EventStage) -> int:
    return sum([(await stage.sqlite_queue.counts(queue)).dead_lettered for queue in QUEUES])


async def test_a_message_of_a_newer_process_waits_for_one(
    stage: EventStage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    with newer_process(messages={EVENTS_QUEUE: "2.0"}):
        await stage.turn([PROVISIONING_QUEUE])
    # Without the sweep, which would send one that is understood here.
    for _ in range(200):
        await stage.turn()
        stage.clock.move(5)
    assert not stage.receiver.posts
    assert await dead_letters(stage) == 0
    told = [r.getMessage() for r in caplog.records if "is left to newer processes" in r.message]
    assert "A message in 'events' is left to newer processes, again in 5 s" in told[0]
    assert "it has schema 2.0, and 1.0 is known here" in told[0]
    assert "again in 300 s" in told[-1]
    assert len(told) < 12
    with newer_process(messages={EVENTS_QUEUE: "2.0"}):
        stage.clock.move(300)
        await stage.settle()
    assert stage.receiver.types == ["OnlineEndpoint.Created"]


@pytest.mark.parametrize("queue", QUEUES)
async def test_every_queue_gives_back_what_is_newer(stage: EventStage, queue: str) -> None:
    await stage.queue.send(queue, Message({"what": "nobody knows"}, properties={"schema": "9.0"}))
    for _ in range(100):
        await stage.turn()
        stage.clock.move(30)
    counts = await stage.sqlite_queue.counts(queue)
    assert (counts.active + counts.waiting, counts.dead_lettered) == (1, 0)
    stage.clock.move(3600)
    [message] = await stage.host.receive([queue])
    assert message.properties["schema"] == "9.0"
    assert message.body == b'{"what":"nobody knows"}'


async def test_work_with_a_newer_processs_document_waits_for_one(stage: EventStage) -> None:
    with newer_process(documents={"onlineEndpoint": "2.0"}):
        await stage.put_endpoint()
    with newer_process(documents={"onlineEndpoint": "2.0"}):
        [before] = (await stage.store.query("onlineEndpoint")).documents
        document = (before.partition, before.id)
    # Its messages, and the sweep once it is due.
    await stage.settle(600, step=20)
    assert await dead_letters(stage) == 0
    with newer_process(documents={"onlineEndpoint": "2.0"}):
        assert await stage.store.get(*document) == before
        await stage.settle(600, step=20)
    assert (await stage.sqlite_queue.counts(PROVISIONING_QUEUE)).dead_lettered == 0
    with newer_process(documents={"onlineEndpoint": "2.0"}):
        resource = (await stage.store.get(*document)).body["resource"]
    assert resource["provisioning_state"] == "Succeeded"


async def test_work_that_is_not_known_waits_for_who_knows_it(stage: EventStage) -> None:
    await stage.queue.send(EVENTS_QUEUE, Message({"work": "ReplayEvents", "since": 1}))
    for _ in range(100):
        await stage.turn()
        stage.clock.move(5)
    assert await dead_letters(stage) == 0
    counts = await stage.sqlite_queue.counts(EVENTS_QUEUE)
    assert counts.active + counts.waiting == 1


async def test_a_message_with_a_field_that_is_not_known_is_done(stage: EventStage) -> None:
    found = await stage.subscribe()
    courier = await stage.events.subscriptions.courier(found)
    asked = DeliverEvents(
        subscription="sub", uid=found.uid, chain=courier.chain, tick=courier.tick
    ).to_document()
    await stage.queue.send(EVENTS_QUEUE, Message({**asked, "colour": "green"}))
    assert await stage.turn() == 1
    assert not (await stage.sqlite_queue.counts(EVENTS_QUEUE)).dead_lettered


async def test_a_job_goes_on_soon_after_a_store_was_out(tmp_path: Path) -> None:
    """Longer than a queue delivers a message: what drives the job is not put aside for that."""
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        job = await stage.invoke(name="job")
        began = stage.clock.time

        async def out(name: str, *_: object) -> None:
            if name == "commit_blocks" and stage.clock.time < began + 60:
                raise Unavailable("Blobs are out.")

        stage.mischief.before = out
        # Without the sweep, which would find the job once its lease is over.
        while stage.clock.time < began + 180:
            await stage.host.turn(stage.queues)
            stage.clock.move(0.5)
        assert all(isinstance(failure, Unavailable) for failure in stage.host.failures)
        assert (await stage.view(job)).job.status is JobStatus.COMPLETED
