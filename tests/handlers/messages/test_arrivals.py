"""News of blobs in the inbox, as Event Grid puts it into a queue."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from domain.application import Application
from domain.drops import blob_drop
from domain.errors import Unavailable
from domain.ground.messages import ARRIVALS
from domain.jobs.batch_jobs import JobChoice
from domain.jobs.records.job_status import JobStatus
from domain.ports import Document, Message, Write
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.composed import composed
from tests.kit.newer_process import newer_process
from tests.kit.pumping_host import PumpingHost
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

INBOX = "batch-inbox"
ACCOUNT = "https://stdata.blob.core.windows.net"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path) as stage:
        yield stage


def event(stage: BatchStage, name: str, **changes: Any) -> dict[str, Any]:
    """What Event Grid says of a blob, in the CloudEvents schema."""
    return {
        "id": "4bf9c2d5-101e-0043-7f1c-0a3c7d06f0e1",
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s",
        "specversion": "1.0",
        "type": "Microsoft.Storage.BlobCreated",
        "subject": f"/blobServices/default/containers/{INBOX}/blobs/{name}",
        "time": stage.clock.now().isoformat().replace("+00:00", "Z"),
        "data": {
            "api": "PutBlob",
            "requestId": "4bf9c2d5-101e-0043-7f1c-0a3c7d000000",
            "eTag": "0x8D4BCC2E4835CD0",
            "contentType": "text/csv",
            "contentLength": 4,
            "blobType": "BlockBlob",
            "url": f"{ACCOUNT}/{INBOX}/{quote(name)}",
            "sequencer": "00000000000004420000000000028963",
            "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
        },
        **changes,
    }


def told_by_event_grid(stage: BatchStage, application: Application) -> PumpingHost:
    triggers = replace(application.triggers, inbox_by_event_grid=True)
    return PumpingHost(replace(application, triggers=triggers), stage.queue, stage.clock)


async def tell(stage: BatchStage, *events: dict[str, Any]) -> None:
    """A Functions host in Azure takes them."""
    host = told_by_event_grid(stage, stage.application)
    await stage.queue.send(ARRIVALS, *(Message(each) for each in events))
    await host.pump([ARRIVALS])
    if host.failures:
        raise host.failures[0]


async def arrived(stage: BatchStage) -> list[str]:
    found = await stage.store.query(blob_drop.ARRIVAL_KIND)
    return [document.body["arrival"]["name"] for document in found.documents]


async def test_blobs_that_event_grid_tells_of_become_one_job(stage: BatchStage) -> None:
    await stage.deploy()
    names = [f"{ENDPOINT}/b.txt", f"{ENDPOINT}/deep folder/a+ü%20.txt"]
    for name in names:
        await stage.blobs.write(INBOX, name, b"x\n")
    # Twice, as Event Grid may.
    await tell(stage, *(event(stage, name) for name in (*names, *names)))
    await stage.pump()
    [view] = (await stage.jobs.list(100, None, JobChoice()))[0]
    assert view.job.status is JobStatus.COMPLETED
    assert sorted(await arrived(stage)) == names


async def test_a_name_that_the_subject_has_lost_is_found_by_the_url(stage: BatchStage) -> None:
    name = f"{ENDPOINT}/tasklog 💎.txt"
    await stage.blobs.write(INBOX, name, b"x\n")
    lossy = event(stage, name)
    lossy["subject"] = lossy["subject"].replace("💎", "\ufffd\ufffd")
    await tell(stage, lossy)
    assert await arrived(stage) == [name]


async def test_a_name_whose_url_is_of_another_service_is_found_by_the_subject(
    stage: BatchStage,
) -> None:
    name = f"{ENDPOINT}/100%.txt"
    await stage.blobs.write(INBOX, name, b"x\n")
    odd = event(stage, name)
    odd["data"]["url"] = f"https://stdata.dfs.core.windows.net/{INBOX}/{name}"
    await tell(stage, odd)
    assert await arrived(stage) == [name]


async def test_what_is_no_arrival_is_told_and_left(
    stage: BatchStage, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{ENDPOINT}/a.txt"
    await stage.blobs.write(INBOX, name, b"x\n")
    await stage.blobs.write("workspaceblobstore", name, b"x\n")
    elsewhere = event(stage, name, subject="/blobServices/default/containers/workspaceblobstore/b")
    elsewhere["data"]["url"] = f"{ACCOUNT}/workspaceblobstore/{name}"
    removed = event(stage, name, type="Microsoft.Storage.BlobDeleted")
    await tell(stage, removed, elsewhere, event(stage, f"{ENDPOINT}/gone.txt"))
    assert await arrived(stage) == []
    assert "'Microsoft.Storage.BlobDeleted' is no arrival" in caplog.text


async def test_an_arrival_waits_for_who_reads_a_newer_processs_drop(stage: BatchStage) -> None:
    """It is not put aside for being told to an older process."""
    names = [f"{ENDPOINT}/a.txt", f"{ENDPOINT}/b.txt"]
    for name in names:
        await stage.blobs.write(INBOX, name, b"x\n")
    with newer_process(documents={blob_drop.KIND: "2.0"}):
        await tell(stage, event(stage, names[0]))
    stage.clock.move(60)
    await tell(stage, event(stage, names[1]))
    counts = await stage.queue.counts(ARRIVALS)
    assert (counts.active + counts.waiting, counts.dead_lettered) == (1, 0)
    stage.clock.move(60)
    with newer_process(documents={blob_drop.KIND: "2.0"}):
        await tell(stage)
        assert (await stage.queue.counts(ARRIVALS)).active == 0
        assert sorted(await arrived(stage)) == names


class StoreThatIsOut(SqliteResourceStore):
    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        raise Unavailable("The store is out.")


async def test_an_arrival_outlasts_a_store_that_is_out(stage: BatchStage) -> None:
    """It is sent again with a delay, and not put aside."""
    name = f"{ENDPOINT}/a.txt"
    await stage.blobs.write(INBOX, name, b"x\n")
    store = StoreThatIsOut(stage.folder / "documents.db", now=stage.clock.unix)
    out = composed(replace(stage.adapters(), store=store), stage.times, base_url=stage.base_url)
    await stage.queue.send(ARRIVALS, Message(event(stage, name)))
    host = told_by_event_grid(stage, out)
    await host.pump([ARRIVALS])
    await store.close()
    assert {type(failure) for failure in host.failures} == {Unavailable}
    counts = await stage.queue.counts(ARRIVALS)
    assert counts.dead_lettered == 0
    assert await arrived(stage) == []
    stage.clock.move(60)
    await tell(stage)
    assert await arrived(stage) == [name]
