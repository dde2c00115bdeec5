"""Blobs put, read, changed and deleted by Azure's client."""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient, ContentSettings
from azure.storage.blob import aio as storage

from tests.infra.embedded.blobs.rest.conftest import SDK

MIB = 1024 * 1024


def test_code_is_uploaded_the_way_azure_ai_ml_does(container: ContainerClient, box: Path) -> None:
    assert container.exists()
    assert list(container.list_blobs(name_starts_with="score.py")) == []
    client = container.get_blob_client("src/score.py")
    assert not client.exists()
    client.upload_blob(b"def run(): ...\n", overwrite=True, max_concurrency=16)
    client.set_blob_metadata({"name": "score", "version": "1"})
    assert client.get_blob_properties().metadata == {"name": "score", "version": "1"}
    (listed,) = container.list_blobs(name_starts_with="src/", include="metadata")
    assert listed.metadata == {"name": "score", "version": "1"}
    assert (box / "src" / "score.py").read_bytes() == b"def run(): ...\n"


def test_properties_come_back_as_they_were_given(container: ContainerClient) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    settings = ContentSettings(
        content_type="text/csv; charset=utf-8",
        content_encoding="identity",
        content_language="de",
        content_disposition='attachment; filename="a.csv"',
        cache_control="no-store",
        content_md5=bytearray(range(16)),
    )
    client = container.get_blob_client("a.csv")
    client.stage_block("1", b"1,2\n")
    client.commit_block_list(
        [BlobBlock("1")], content_settings=settings, metadata={"a": "1", "_b2": "x y"}
    )
    found = client.get_blob_properties()
    assert found.content_settings == settings
    assert (found.size, found.metadata, found.blob_type) == (
        4,
        {"a": "1", "_b2": "x y"},
        "BlockBlob",
    )
    assert before <= found.last_modified <= datetime.now(UTC) + timedelta(seconds=2)
    (listed,) = container.list_blobs()
    assert listed.content_settings == settings
    assert (f'"{listed.etag}"', listed.size) == (found.etag, 4)
    assert listed.last_modified == found.last_modified
    assert client.download_blob().readall() == b"1,2\n"


def test_headers_and_metadata_change_apart_and_bring_a_new_etag(
    container: ContainerClient,
) -> None:
    client = container.get_blob_client("a")
    first = client.upload_blob(b"x", metadata={"a": "1"})
    client.set_http_headers(ContentSettings(content_type="text/csv", cache_control="no-cache"))
    second = client.get_blob_properties()
    assert (second.content_settings.content_type, second.metadata) == ("text/csv", {"a": "1"})
    client.set_blob_metadata({"b": "2"})
    third = client.get_blob_properties()
    assert (third.content_settings.content_type, third.metadata) == ("text/csv", {"b": "2"})
    client.set_http_headers(ContentSettings(content_type="text/plain"))
    assert client.get_blob_properties().content_settings.cache_control is None
    assert len({first["etag"], second.etag, third.etag}) == 3
    client.upload_blob(b"y", overwrite=True)
    last = client.get_blob_properties()
    assert (last.metadata, last.content_settings.content_type) == ({}, "application/octet-stream")


def test_a_change_of_metadata_disturbs_no_reader(container: ContainerClient) -> None:
    client = container.get_blob_client("a")
    content = random.Random(1).randbytes(3 * MIB)
    client.upload_blob(content)
    reader = BlobClient.from_blob_url(
        client.url, max_single_get_size=MIB, max_chunk_get_size=MIB, **SDK
    )
    with reader:
        pieces = client.download_blob().chunks()
        first = next(pieces)
        client.set_blob_metadata({"seen": "1"})
        assert first + b"".join(pieces) == content


@pytest.mark.parametrize(
    ("offset", "length", "wanted"),
    [(None, None, (0, 10)), (3, None, (3, 10)), (3, 4, (3, 7)), (8, 100, (8, 10)), (0, 1, (0, 1))],
)
def test_ranges_are_read(
    container: ContainerClient, offset: int | None, length: int | None, wanted: tuple[int, int]
) -> None:
    client = container.get_blob_client("digits")
    client.upload_blob(b"0123456789")
    got = client.download_blob(offset, length, validate_content=True).readall()
    assert got == b"0123456789"[slice(*wanted)]


def test_a_range_past_the_end_is_refused(container: ContainerClient) -> None:
    client = container.get_blob_client("digits")
    client.upload_blob(b"0123456789")
    with pytest.raises(HttpResponseError) as raised:
        client.download_blob(10, 1)
    assert (raised.value.status_code, _code(raised.value)) == (416, "InvalidRange")


def test_an_empty_blob_is_read(container: ContainerClient) -> None:
    client = container.get_blob_client("empty")
    client.upload_blob(b"")
    assert client.download_blob().readall() == b""


def test_content_is_checked_both_ways(container: ContainerClient) -> None:
    content = random.Random(2).randbytes(5 * MIB + 3)
    with ContainerClient.from_container_url(
        container.url, max_single_put_size=MIB, max_block_size=MIB, **SDK
    ) as careful:
        client = careful.get_blob_client("a")
        client.upload_blob(content, validate_content=True, max_concurrency=3)
        assert client.download_blob(validate_content=True, max_concurrency=3).readall() == content
    client = container.get_blob_client("b")
    wrong = ContentSettings(content_md5=bytearray(16))
    with pytest.raises(HttpResponseError) as raised:
        client.upload_blob(b"x", content_settings=wrong)
    assert _code(raised.value) == "Md5Mismatch"
    assert not client.exists()


def test_anything_that_can_be_read_is_uploaded(container: ContainerClient, tmp_path: Path) -> None:
    content = random.Random(3).randbytes(3 * MIB)

    def generated() -> Iterator[bytes]:
        for start in range(0, len(content), 70_000):
            yield content[start : start + 70_000]

    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        container.upload_blob("file", file)
    container.upload_blob("generated", generated())
    container.upload_blob("text", "größer")
    for name in ("file", "generated"):
        assert container.download_blob(name).readall() == content
    assert container.download_blob("text", encoding="utf-8").readall() == "größer"


def test_overwriting_must_be_asked_for(container: ContainerClient) -> None:
    container.upload_blob("a", b"1")
    with pytest.raises(ResourceExistsError) as raised:
        container.upload_blob("a", b"2")
    assert _code(raised.value) == "BlobAlreadyExists"
    container.upload_blob("a", b"3", overwrite=True)
    assert container.download_blob("a").readall() == b"3"


def test_conditions_hold_for_whoever_writes_or_changes(container: ContainerClient) -> None:
    client = container.get_blob_client("a")
    stale: Any = client.upload_blob(b"1")["etag"]
    etag: Any = client.upload_blob(b"2", overwrite=True)["etag"]
    same: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified}
    other: dict[str, Any] = {"match_condition": MatchConditions.IfModified}
    past, future = datetime.now(UTC) - timedelta(1), datetime.now(UTC) + timedelta(1)
    refused: list[dict[str, Any]] = [
        {"etag": stale, **same},
        {"etag": etag, **other},
        {"if_modified_since": future},
        {"if_unmodified_since": past},
    ]
    client.stage_block("1", b"3")
    for condition in refused:
        for attempt in (
            lambda c: client.upload_blob(b"3", overwrite=True, **c),
            lambda c: client.commit_block_list([BlobBlock("1")], **c),
            lambda c: client.set_blob_metadata({"a": "b"}, **c),
            lambda c: client.set_http_headers(ContentSettings(content_type="a/b"), **c),
            lambda c: client.delete_blob(**c),
        ):
            with pytest.raises(ResourceModifiedError) as raised:
                attempt(condition)
            assert _code(raised.value) == "ConditionNotMet"
    assert client.download_blob().readall() == b"2"
    changed: Any = client.set_blob_metadata({"a": "b"}, etag=etag, **same)
    written: Any = client.upload_blob(b"3", overwrite=True, etag=changed["etag"], **same)
    client.delete_blob(etag=written["etag"].strip('"'), **same)
    with pytest.raises(ResourceModifiedError):
        client.upload_blob(b"4", overwrite=True, etag=etag, **same)
    assert not client.exists()


def test_conditions_hold_for_who_reads(container: ContainerClient) -> None:
    client = container.get_blob_client("a")
    stale: Any = client.upload_blob(b"1")["etag"]
    etag: Any = client.upload_blob(b"2", overwrite=True)["etag"]
    past, future = datetime.now(UTC) - timedelta(1), datetime.now(UTC) + timedelta(1)
    same, other = MatchConditions.IfNotModified, MatchConditions.IfModified
    for get in (client.download_blob, client.get_blob_properties):
        for status, condition in (
            (412, {"etag": stale, "match_condition": same}),
            (412, {"if_unmodified_since": past}),
            (304, {"etag": etag, "match_condition": other}),
            (304, {"if_modified_since": future}),
        ):
            with pytest.raises(ResourceModifiedError) as raised:
                get(**condition)
            assert raised.value.status_code == status
        get(etag=etag, match_condition=same)
        get(etag=stale, match_condition=other, if_unmodified_since=future)
        get(if_modified_since=past)


async def test_of_racing_writers_with_one_etag_one_wins(
    aio_container: storage.ContainerClient,
) -> None:
    client = aio_container.get_blob_client("a")
    etag = (await client.upload_blob(b"0"))["etag"]
    outcomes = await asyncio.gather(
        *[
            client.upload_blob(
                b"%d" % n,
                overwrite=True,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
            )
            for n in range(1, 9)
        ],
        return_exceptions=True,
    )
    won = [n for n, outcome in enumerate(outcomes, 1) if isinstance(outcome, dict)]
    assert len(won) == 1
    assert await (await client.download_blob()).readall() == b"%d" % won[0]


def test_a_deleted_blob_is_gone(container: ContainerClient, box: Path) -> None:
    container.upload_blob("folder/a", b"1", metadata={"a": "b"})
    container.delete_blob("folder/a")
    for missing in (
        lambda: container.delete_blob("folder/a"),
        lambda: container.download_blob("folder/a"),
        lambda: container.get_blob_client("folder/a").get_blob_properties(),
        lambda: container.get_blob_client("folder/a").set_blob_metadata({}),
    ):
        with pytest.raises(ResourceNotFoundError) as raised:
            missing()
        assert _code(raised.value) == "BlobNotFound"
    assert not (box / "folder").exists()


def test_a_thousand_small_files_go_up_in_parallel(container: ContainerClient, box: Path) -> None:
    def upload(n: int) -> None:
        container.upload_blob(f"run {n % 10}/{n:04}.json", b"%d" % n, overwrite=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(1000)))
    found = {path.name: path.read_bytes() for path in box.rglob("*.json")}
    assert found == {f"{n:04}.json": b"%d" % n for n in range(1000)}


# Azure's client sends blocks of 4 MiB in one piece.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_large_blob_goes_up_in_blocks_and_down_in_ranges(
    aio_container: storage.ContainerClient, box: Path
) -> None:
    piece = random.Random(4).randbytes(MIB)

    async def content() -> Any:
        for _ in range(48):
            yield piece

    client = aio_container.get_blob_client("big")
    await client.upload_blob(content(), max_concurrency=4)
    assert (box / "big").stat().st_size == 48 * MIB
    blocks, _ = await client.get_block_list()
    assert [block.size for block in blocks] == [4 * MIB] * 12
    download = await client.download_blob(max_concurrency=4)
    assert await download.readall() == piece * 48


def _code(error: HttpResponseError) -> str:
    code = error.error_code  # type: ignore[attr-defined]
    return str(getattr(code, "value", code))
