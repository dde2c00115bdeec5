"""The contract of domain.ports.BlobStore."""

import asyncio
import hashlib
import os
import random
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain import errors
from domain.ports import BlobStore, Permission
from runtime.batch import inputs as worker_inputs
from tests.contract.blobs import content, names

MIB = 1024 * 1024


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken_stream() -> AsyncIterator[bytes]:
    yield b"half"
    raise ConnectionResetError


async def test_what_is_written_can_be_read(blobs: BlobStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    written = await blobs.write(
        "system", "a/b.csv", b"1,2\n", content_type="text/csv", metadata={"job": "j1"}
    )
    assert await content(blobs, "a/b.csv") == b"1,2\n"
    found = await blobs.properties("system", "a/b.csv")
    assert found == written
    assert (found.name, found.size) == ("a/b.csv", 4)
    assert (found.content_type, found.metadata) == ("text/csv", {"job": "j1"})
    assert found.last_modified >= before
    assert found.etag.startswith('"')


async def test_defaults_are_plain(blobs: BlobStore) -> None:
    found = await blobs.write("system", "a", b"x")
    assert (found.content_type, found.metadata) == ("application/octet-stream", {})


async def test_an_empty_blob_is_a_blob(blobs: BlobStore) -> None:
    await blobs.write("system", "bytes", b"")
    await blobs.write("system", "stream", stream())
    assert await content(blobs, "bytes") == await content(blobs, "stream") == b""
    assert (await blobs.properties("system", "stream")).size == 0


async def test_a_stream_is_written_whole(blobs: BlobStore) -> None:
    pieces = [random.Random(n).randbytes(700_000) for n in range(12)]
    written = await blobs.write("system", "big", stream(*pieces))
    assert written.size == 12 * 700_000
    digest = hashlib.sha256()
    async for piece in blobs.read("system", "big"):
        assert 0 < len(piece) <= 4 * MIB
        digest.update(piece)
    assert digest.digest() == hashlib.sha256(b"".join(pieces)).digest()


async def test_a_stream_that_breaks_leaves_nothing(blobs: BlobStore) -> None:
    await blobs.write("system", "old", b"whole")
    for name in ("old", "new"):
        with pytest.raises(ConnectionResetError):
            await blobs.write("system", name, broken_stream())
    assert await content(blobs, "old") == b"whole"
    assert await names(blobs) == ["old"]


async def test_a_blob_is_seen_only_when_its_last_piece_has_come(blobs: BlobStore) -> None:
    last = asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield b"x" * 3 * MIB
        await last.wait()
        yield b"y"

    writing = asyncio.create_task(blobs.write("system", "a", held()))
    assert await names(blobs) == []
    with pytest.raises(errors.BlobNotFound):
        await blobs.properties("system", "a")
    last.set()
    assert (await writing).size == 3 * MIB + 1
    assert await names(blobs) == ["a"]


@pytest.mark.parametrize(
    ("offset", "length", "wanted"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 4, b"3456"),
        (3, 0, b""),
        (8, 100, b"89"),
        (0, 10, b"0123456789"),
    ],
)
async def test_a_range_can_be_read(
    blobs: BlobStore, offset: int, length: int | None, wanted: bytes
) -> None:
    await blobs.write("system", "a", b"0123456789")
    pieces = [piece async for piece in blobs.read("system", "a", offset=offset, length=length)]
    assert b"".join(pieces) == wanted


async def test_a_range_of_a_large_blob_can_be_read(blobs: BlobStore) -> None:
    whole = random.Random(1).randbytes(6 * MIB)
    await blobs.write("system", "a", whole)
    pieces = [
        piece async for piece in blobs.read("system", "a", offset=MIB - 7, length=4 * MIB + 9)
    ]
    assert b"".join(pieces) == whole[MIB - 7 : 5 * MIB + 2]


async def test_reading_what_is_not_there_is_refused(blobs: BlobStore) -> None:
    await blobs.write("system", "a/b", b"x")
    for container, name in (("system", "b"), ("system", "a"), ("nowhere", "a")):
        with pytest.raises(errors.BlobNotFound):
            await blobs.properties(container, name)
        with pytest.raises(errors.BlobNotFound):
            await content(blobs, name, container)


async def test_a_new_content_brings_a_new_etag(blobs: BlobStore) -> None:
    etags = {(await blobs.write("system", "a", b"same size")).etag for _ in range(20)}
    await blobs.delete("system", "a")
    etags.add((await blobs.write("system", "a", b"same size")).etag)
    assert len(etags) == 21


async def test_reading_with_a_stale_etag_is_refused(blobs: BlobStore) -> None:
    first = await blobs.write("system", "a", b"one")
    assert [piece async for piece in blobs.read("system", "a", etag=first.etag)] == [b"one"]
    await blobs.write("system", "a", b"two")
    with pytest.raises(errors.StaleETag):
        async for _ in blobs.read("system", "a", etag=first.etag):
            pass


async def test_a_reader_never_sees_two_contents_mixed(blobs: BlobStore) -> None:
    first = await blobs.write("system", "a", b"1" * 6 * MIB)
    seen = b""
    try:
        async for piece in blobs.read("system", "a", etag=first.etag):
            seen += piece
            await blobs.write("system", "a", b"2" * 6 * MIB)
    except errors.StaleETag:
        pass
    assert set(seen) == set(b"1")


async def test_a_rewritten_blob_has_only_its_new_properties(blobs: BlobStore) -> None:
    await blobs.write("system", "a", b"x", content_type="text/csv", metadata={"a": "1"})
    await blobs.write("system", "a", b"x", metadata={"b": "2"})
    found = await blobs.properties("system", "a")
    assert (found.content_type, found.metadata) == ("application/octet-stream", {"b": "2"})


async def test_write_if_absent_meets_a_blob(blobs: BlobStore) -> None:
    await blobs.write("system", "a", b"first", if_absent=True)
    for late in (b"second", stream(b"sec", b"ond")):
        with pytest.raises(errors.BlobExists):
            await blobs.write("system", "a", late, if_absent=True)
    assert await content(blobs, "a") == b"first"


async def test_of_racing_writers_if_absent_one_wins(blobs: BlobStore) -> None:
    outcomes = await asyncio.gather(
        *[
            blobs.write(
                "system", "a/b/c", stream(b"%d" % n), if_absent=True, metadata={"n": f"{n}"}
            )
            for n in range(10)
        ],
        return_exceptions=True,
    )
    won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(outcome, errors.BlobExists) for outcome in outcomes) == 9
    assert await content(blobs, "a/b/c") == b"%d" % won[0]
    assert (await blobs.properties("system", "a/b/c")).metadata == {"n": f"{won[0]}"}


async def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(blobs: BlobStore) -> None:
    await blobs.write("system", "a/b", b"x")
    for _ in range(2):
        await blobs.delete("system", "a/b")
    await blobs.delete("nowhere", "a")
    with pytest.raises(errors.BlobNotFound):
        await blobs.properties("system", "a/b")
    await blobs.write("system", "a/b", b"y", if_absent=True)
    assert await content(blobs, "a/b") == b"y"


async def test_containers_are_apart(blobs: BlobStore) -> None:
    await blobs.write("system", "a", b"1")
    await blobs.write("batch-inbox", "a", b"2")
    assert await content(blobs, "a", "system") == b"1"
    assert await content(blobs, "a", "batch-inbox") == b"2"


@pytest.mark.parametrize(
    "name",
    [
        "with space.csv",
        "100%.csv",
        "%41.csv",
        "a+b&c=d;e,f@g:h$i!j'k(l)*~.csv",
        "q?uestion#hash[1]{2}.csv",
        "naïve/Größe/文件/\U0001f600.csv",
        ".hidden",
        "...",
        "a/.../b",
        "trailing ",
        "-rf",
        "x" * 200 + "/" + "y" * 200,
        "/".join("d" * 253 + "f"),
    ],
)
async def test_a_legal_name_is_kept_as_it_is(blobs: BlobStore, name: str) -> None:
    await blobs.write("system", name, b"x", metadata={"a": "b"})
    assert await content(blobs, name) == b"x"
    assert (await blobs.properties("system", name)).name == name
    assert await names(blobs) == [name]
    assert blobs.locate(blobs.url("system", name)) == ("system", name)
    assert blobs.locate(
        await blobs.sign("system", name, frozenset({Permission.READ}), timedelta(1))
    ) == (
        "system",
        name,
    )
    await blobs.delete("system", name)
    assert await names(blobs) == []


@pytest.mark.parametrize(
    "name",
    [
        *["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/..", "./a"],
        "x" * 1025,
        "/".join("d" * 255),
    ],
)
async def test_a_name_that_is_none_is_refused_everywhere(blobs: BlobStore, name: str) -> None:
    with pytest.raises(errors.Invalid):
        await blobs.write("system", name, b"x")
    with pytest.raises(errors.Invalid):
        await blobs.properties("system", name)
    with pytest.raises(errors.Invalid):
        await content(blobs, name)
    with pytest.raises(errors.Invalid):
        await blobs.delete("system", name)
    with pytest.raises(errors.Invalid):
        await blobs.stage_block("system", name, "0", b"x")
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("system", name, [])
    with pytest.raises(errors.Invalid):
        await blobs.lend([("system", name)])
    with pytest.raises(errors.Invalid):
        await blobs.lend_block("system", name, "0")
    with pytest.raises(errors.Invalid):
        await blobs.sign("system", name, frozenset({Permission.READ}), timedelta(1))


@pytest.mark.parametrize("container", ["", "ab", "..", "A-b", "a--b", "-ab", "a/b", "x" * 64])
async def test_a_container_name_that_is_none_is_refused(blobs: BlobStore, container: str) -> None:
    with pytest.raises(errors.Invalid):
        await blobs.write(container, "a", b"x")
    with pytest.raises(errors.Invalid):
        await names(blobs, "", container)


async def test_a_container_that_is_not_there_is_empty(blobs: BlobStore) -> None:
    assert await names(blobs, "", "nowhere") == []


async def test_blobs_are_listed_by_code_point_of_the_whole_name(blobs: BlobStore) -> None:
    wanted = sorted(
        [
            "a-b",
            "a.b",
            "a/b",
            "a/b.c",
            "a/b-/x",
            "a/c/d",
            "a0",
            "a!/x",
            "B",
            "ab/c",
            "é",
            "\U0001f600",
            "\uff5e",
            "z",
        ]
    )
    for name in random.Random(3).sample(wanted, len(wanted)):
        await blobs.write("system", name, name.encode())
    assert await names(blobs) == wanted
    for prefix in ("a", "a/", "a/b", "a/b-", "a/b-/x", "a.", "zz", "b", "a/b/", "//", "..", "../"):
        assert await names(blobs, prefix) == [name for name in wanted if name.startswith(prefix)]


async def test_a_listing_shows_each_blobs_properties(blobs: BlobStore) -> None:
    written = [
        await blobs.write("system", "a", b"1", content_type="text/csv", metadata={"k": "v"}),
        await blobs.write("system", "b", b"22"),
    ]
    assert [blob async for blob in blobs.list("system")] == written


async def test_a_listing_goes_through_folders_within_folders_in_order_of_name(
    blobs: BlobStore,
) -> None:
    names = [
        *(f"in/2026/{day:02}/{part}.csv" for day in range(7) for part in range(3)),
        *("in/2026/00.csv", "in/2026/03-more/a.csv", "in/2026/03.csv", "in/2026/zz.csv", "in.csv"),
        *(f"in/2026/05/deep/er/{part}.csv" for part in range(4)),
    ]
    for name in names:
        await blobs.write("system", name, b"1")
    assert [blob.name async for blob in blobs.list("system")] == sorted(names)
    for prefix in ("in/", "in/2026/", "in/2026/0", "in/2026/05/"):
        found = [blob.name async for blob in blobs.list("system", prefix)]
        assert found == [name for name in sorted(names) if name.startswith(prefix)]


async def test_a_long_listing_is_complete(blobs: BlobStore, many: int) -> None:
    wanted = [f"{n % 7}/{n:04}" for n in range(many)]
    await asyncio.gather(*[blobs.write("system", name, b"") for name in wanted])
    assert await names(blobs) == sorted(wanted)


async def test_a_listing_can_be_left_early(blobs: BlobStore) -> None:
    for n in range(5):
        await blobs.write("system", f"{n}", b"")
    async for blob in blobs.list("system"):
        assert blob.name == "0"
        break


async def test_a_url_can_be_located(blobs: BlobStore) -> None:
    assert blobs.locate(blobs.url("system")) == ("system", "")
    assert blobs.locate(blobs.url("system", "a b/ü.csv")) == ("system", "a b/ü.csv")
    assert blobs.locate(blobs.url("system", "a") + "?x=1") == ("system", "a")
    signed = await blobs.sign("system", None, frozenset({Permission.WRITE}), timedelta(hours=1))
    assert blobs.locate(signed) == ("system", "")
    path, query = signed.split("?")
    assert blobs.locate(f"{path}/x%20y?{query}") == ("system", "x y")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "system/a",
        "https://elsewhere.example/blobs/system/a",
        "file:///etc/passwd",
        "https://[::1/blobs/system/a",
        "azureml://datastores/x",
    ],
)
async def test_a_foreign_url_is_not_located(blobs: BlobStore, url: str) -> None:
    assert blobs.locate(url) is None


async def test_a_url_with_a_hostile_name_is_not_located(blobs: BlobStore) -> None:
    base = blobs.url("system")
    for name in ("..", "%2e%2e/x", "a//b", "a/%00", "%ff", "..%2f..%2fx", "a/"):
        assert blobs.locate(f"{base}/{name}") is None, name


async def test_blobs_are_lent_in_the_order_asked_for_and_nothing_is_looked_at(
    blobs: BlobStore,
) -> None:
    await blobs.write("system", "a", b"x")
    lent = await blobs.lend([("system", "a"), ("system", "missing/b")])
    assert all(url.startswith(("file:", "https:", "http://127.0.0.1:")) for url in lent)
    assert ["a" if "missing" not in url else "b" for url in lent] == ["a", "b"]
    assert await blobs.lend([]) == []


async def test_what_is_lent_is_what_has_the_etag_or_nothing(
    lending_blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker finds out: a file beside it after it was read, any other when it is asked for."""
    blobs = lending_blobs
    names = ["a b/same", "a b/other", "a b/gone"]
    for name in names:
        await blobs.write("system", name, b"x")
    etags = [(await blobs.properties("system", name)).etag for name in names]
    urls = await blobs.lend([("system", name) for name in names])
    await blobs.write("system", "a b/other", b"y")
    await blobs.delete("system", "a b/gone")

    def told(name: str, url: str, etag: str) -> str:
        given = [worker_inputs.Input(name, url, None, etag)]
        try:
            with worker_inputs.local_paths(given) as [path]:
                text = Path(path).read_text() if Path(path).exists() else ""
                worker_inputs.check(given)
                return text
        except worker_inputs.InputChanged as fault:
            return str(fault)

    monkeypatch.setenv("SSL_CERT_FILE", getattr(blobs, "ca", "") or os.devnull)
    found = [await asyncio.to_thread(told, *each) for each in zip(names, urls, etags, strict=True)]
    assert found[0] == "x"
    # A store need not tell which of the two it was.
    assert re.fullmatch("The input 'a b/other' was changed.* after the job was planned.", found[1])
    assert re.fullmatch("The input 'a b/gone' was .*removed after the job was planned.", found[2])
