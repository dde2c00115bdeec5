"""Blob-triggered functions on files that land in a container's folder."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from domain.errors import Unavailable
from infra.embedded.arrivals.arrival_sources import FolderSource
from infra.embedded.arrivals.blob_arrivals import Arriving, BlobArrivals, path_pattern
from infra.embedded.arrivals.receipts import Receipt, Receipts, receipts_database
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.host.functions import index
from infra.embedded.host.invocation import current_invocation
from tests.kit.waiting import PATIENCE, eventually

Handler = Callable[[func.InputStream], Awaitable[None]]
Watching = Callable[..., Any]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs" / "batch-inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def watching(tmp_path: Path, inbox: Path) -> Watching:
    """Run the handler on arrivals for as long as the context lasts: once a host's life."""

    @asynccontextmanager
    async def watch(
        handler: Handler, *, kind: type[Receipts] = Receipts, **arriving: Any
    ) -> AsyncIterator[FileBlobStore]:
        app = func.FunctionApp()

        @app.blob_trigger(arg_name="blob", path="batch-inbox/{name}", connection="Storage")
        async def gather(blob: func.InputStream) -> None:
            await handler(blob)

        (function,) = index(app, {})
        blobs = FileBlobStore(tmp_path, base_url="https://127.0.0.1:1", key=b"k" * 32)
        database = receipts_database(tmp_path / "blob-state" / "receipts.db")
        receipts = kind(database, function.name, "batch-inbox")
        options = Arriving(
            **{"parallel": 8, "tries": 5, "look": 0.02, "first_delay": 0.02, **arriving}
        )
        source = FolderSource(inbox, blobs.files)
        arrivals = BlobArrivals(function, source, blobs, receipts, options)
        arrivals.start()
        try:
            yield blobs
        finally:
            await arrivals.stop(PATIENCE)
            await database.close()
            await blobs.close()

    return watch


class Gatherer:
    """Remembers what it was called with; fails where told to."""

    def __init__(self, fails: Callable[[str, int], bool] = lambda name, call: False) -> None:
        self.seen: list[str] = []
        self.done: list[str] = []
        self._fails = fails

    async def __call__(self, blob: func.InputStream) -> None:
        name = str(blob.name)
        self.seen.append(name)
        if self._fails(name, self.seen.count(name)):
            raise ValueError(f"cannot take {name}")
        self.done.append(name)


async def test_an_arrival_is_described_as_in_the_cloud_and_read_only_if_wanted(
    watching: Watching, inbox: Path
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(blob: func.InputStream) -> None:
        properties = blob.blob_properties  # type: ignore[attr-defined]
        content = (blob.read(5), blob.read())
        seen.append((blob, properties, content, current_invocation().function))

    async with watching(handler) as blobs:
        (inbox / "endpoint a").mkdir()
        (inbox / "endpoint a" / "rows.csv").write_bytes(b"1,2\n3,4\n")
        await eventually(lambda: seen)
        stored = await blobs.properties("batch-inbox", "endpoint a/rows.csv")
    ((blob, properties, content, function),) = seen
    assert isinstance(blob, func.InputStream)
    assert blob.name == "batch-inbox/endpoint a/rows.csv"
    assert blob.length == 8
    assert blob.uri == "https://127.0.0.1:1/blobs/batch-inbox/endpoint%20a/rows.csv"
    assert properties["ETag"] == stored.etag
    assert content == (b"1,2\n3", b",4\n")
    assert function == "gather"


async def test_a_blob_written_through_the_store_arrives_with_its_metadata(
    watching: Watching,
) -> None:
    seen: list[dict[str, str]] = []

    async def handler(blob: func.InputStream) -> None:
        seen.append(blob.metadata)  # type: ignore[attr-defined]

    async with watching(handler) as blobs:
        await blobs.write("batch-inbox", "e/a.csv", b"1", metadata={"source": "test"})
        await eventually(lambda: seen)
    assert seen == [{"source": "test"}]


async def test_every_one_of_many_files_arrives_once(watching: Watching, inbox: Path) -> None:
    gatherer = Gatherer()
    async with watching(gatherer):
        for number in range(500):
            folder = inbox / f"endpoint-{number % 3}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.csv").write_text(str(number))
        await eventually(lambda: len(gatherer.done) >= 500)
    assert len(gatherer.seen) == len(set(gatherer.seen)) == 500


class LostReceipts(Receipts):
    """Of which the first look at each name fails."""

    async def of(self, names: Sequence[str]) -> Mapping[str, Receipt]:
        asked = self.__dict__.setdefault("asked", set[str]())
        if not asked.issuperset(names):
            asked.update(names)
            raise Unavailable("disk I/O error")
        return await super().of(names)


async def test_what_was_found_while_the_receipts_could_not_be_read_arrives_all_the_same(
    watching: Watching, inbox: Path
) -> None:
    gatherer = Gatherer(lambda name, call: call == 1)
    async with watching(gatherer, kind=LostReceipts):
        for number in range(5):
            (inbox / f"{number}.csv").write_text(str(number))
        await eventually(lambda: len(gatherer.done) == 5)


async def test_nothing_is_repeated_after_a_restart_and_what_came_meanwhile_arrives(
    watching: Watching, inbox: Path
) -> None:
    gatherer = Gatherer()
    (inbox / "before.csv").write_text("1")
    async with watching(gatherer):
        await eventually(lambda: gatherer.done)
    (inbox / "meanwhile.csv").write_text("2")
    async with watching(gatherer):
        await eventually(lambda: len(gatherer.done) == 2)
    async with watching(gatherer):
        (inbox / "last.csv").write_text("3")
        await eventually(lambda: len(gatherer.done) == 3)
    assert gatherer.seen == [f"batch-inbox/{n}.csv" for n in ("before", "meanwhile", "last")]


async def test_a_changed_file_arrives_again(watching: Watching, inbox: Path) -> None:
    gatherer = Gatherer()
    async with watching(gatherer):
        (inbox / "a.csv").write_text("first")
        await eventually(lambda: len(gatherer.done) == 1)
        (inbox / "a.csv").write_text("second, in place")
        await eventually(lambda: len(gatherer.done) == 2)
    (inbox / "a.csv").write_text("third, while nobody looked")
    async with watching(gatherer):
        await eventually(lambda: len(gatherer.done) == 3)


async def test_a_file_moved_away_and_back_is_not_repeated(
    watching: Watching, inbox: Path, tmp_path: Path
) -> None:
    gatherer = Gatherer()
    async with watching(gatherer):
        (inbox / "a.csv").write_text("1")
        await eventually(lambda: len(gatherer.done) == 1)
        (inbox / "a.csv").rename(tmp_path / "away.csv")
        (inbox / "b.csv").write_text("2")
        await eventually(lambda: len(gatherer.done) == 2)
        (tmp_path / "away.csv").rename(inbox / "a.csv")
        (inbox / "c.csv").write_text("3")
        await eventually(lambda: len(gatherer.done) == 3)
    assert gatherer.seen.count("batch-inbox/a.csv") == 1


async def test_a_failed_delivery_is_tried_again(watching: Watching, inbox: Path) -> None:
    gatherer = Gatherer(lambda name, call: call < 3)
    async with watching(gatherer):
        (inbox / "a.csv").write_text("1")
        await eventually(lambda: gatherer.done)
    assert len(gatherer.seen) == 3


async def test_a_poison_blob_is_given_up_until_it_changes(
    watching: Watching, inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gatherer = Gatherer(lambda name, call: name.endswith("bad.csv") and call <= 5)
    async with watching(gatherer):
        (inbox / "bad.csv").write_text("1")
        (inbox / "good.csv").write_text("1")
        await eventually(lambda: "poison" in caplog.text and gatherer.done)
    assert gatherer.seen.count("batch-inbox/bad.csv") == 5
    assert gatherer.done == ["batch-inbox/good.csv"]
    async with watching(gatherer):
        (inbox / "bad.csv").write_text("mended")
        await eventually(lambda: len(gatherer.done) == 2)


async def test_tries_are_counted_across_restarts(
    watching: Watching, inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gatherer = Gatherer(lambda name, call: True)
    (inbox / "bad.csv").write_text("1")
    async with watching(gatherer, first_delay=3600):
        await eventually(lambda: len(gatherer.seen) == 1)
    async with watching(gatherer, first_delay=0.01):
        await eventually(lambda: "poison" in caplog.text)
    assert len(gatherer.seen) == 5


async def test_a_name_that_no_blob_can_have_is_left_alone_and_said(
    watching: Watching, inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gatherer = Gatherer()
    async with watching(gatherer):
        (inbox / "line\nfeed.csv").write_text("1")
        (inbox / "fine.csv").write_text("1")
        await eventually(lambda: gatherer.done)
        await eventually(lambda: "is left alone" in caplog.text)
    assert gatherer.seen == ["batch-inbox/fine.csv"]


async def test_never_more_at_once_than_allowed(watching: Watching, inbox: Path) -> None:
    running = most = done = 0
    gate = asyncio.Semaphore(0)

    async def handler(blob: func.InputStream) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await gate.acquire()
        running -= 1
        done += 1

    def reached(count: int) -> bool:
        return done == count

    for number in range(9):
        (inbox / f"{number}.csv").write_text("1")
    async with watching(handler, parallel=3):
        for expected in (3, 6, 9):
            await eventually(lambda: running == 3)
            for _ in range(3):
                gate.release()
            await eventually(partial(reached, expected))
    assert most == 3


@pytest.mark.parametrize(
    ("path", "matching", "other"),
    [
        ("batch-inbox/{name}", "a/b/c.csv", ""),
        ("batch-inbox", "a/b/c.csv", ""),
        ("batch-inbox/{endpoint}/{name}", "a/b/c.csv", "a.csv"),
        ("batch-inbox/in/{name}.csv", "in/a/b.csv", "out/a.csv"),
    ],
)
def test_a_triggers_path_says_which_blobs_it_takes(path: str, matching: str, other: str) -> None:
    container, pattern = path_pattern(path)
    assert container == "batch-inbox"
    assert pattern.fullmatch(matching)
    assert not pattern.fullmatch(other)
