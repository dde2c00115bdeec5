import asyncio
import hashlib
import logging
import os
import random
import shutil
import socket
import time
import tracemalloc
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain import errors
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.infra.embedded.blobs.boxes import MIB, content, files_below, names, opened


async def test_a_file_that_a_user_drops_in_is_a_blob(blobs: FileBlobStore, box: Path) -> None:
    (box / "my folder").mkdir()
    (box / "my folder" / "Übung #1 100%.csv").write_bytes(b"1,2\n")
    assert await names(blobs) == ["my folder/Übung #1 100%.csv"]
    assert await content(blobs, "my folder/Übung #1 100%.csv") == b"1,2\n"


async def test_a_blob_is_a_file_under_its_own_name(blobs: FileBlobStore, box: Path) -> None:
    await blobs.write("box", "my folder/Übung #1 100%.csv", b"1,2\n", metadata={"a": "b"})
    assert files_below(box) == ["my folder/Übung #1 100%.csv"]
    assert (box / "my folder" / "Übung #1 100%.csv").read_bytes() == b"1,2\n"


async def test_a_file_that_a_user_changes_gets_a_new_etag_and_loses_its_metadata(
    blobs: FileBlobStore, box: Path
) -> None:
    written = await blobs.write("box", "a", b"one", content_type="text/csv", metadata={"a": "b"})
    (box / "a").write_bytes(b"two")
    found = await blobs.properties("box", "a")
    assert found.etag != written.etag
    assert (found.content_type, found.metadata) == ("application/octet-stream", {})
    with pytest.raises(errors.StaleETag):
        async for _ in blobs.read("box", "a", etag=written.etag):
            pass


async def test_a_file_changed_while_it_is_read_ends_the_read(
    blobs: FileBlobStore, box: Path
) -> None:
    await blobs.write("box", "a", b"1" * 3 * MIB)
    reading = blobs.read("box", "a")
    assert set(await anext(reading)) == set(b"1")
    with (box / "a").open("r+b") as file:
        file.write(b"2")
    with pytest.raises(errors.StaleETag):
        async for _ in reading:
            pass


async def test_a_file_cut_short_while_it_is_read_ends_the_read(
    blobs: FileBlobStore, box: Path
) -> None:
    await blobs.write("box", "a", b"1" * 3 * MIB)
    reading = blobs.read("box", "a")
    await anext(reading)
    os.truncate(box / "a", 10)
    with pytest.raises(errors.StaleETag):
        async for _ in reading:
            pass


async def test_what_is_no_plain_file_is_no_blob_and_the_log_says_so(
    blobs: FileBlobStore, box: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (box / "good").write_text("x")
    os.mkfifo(box / "pipe")
    (box / "link").symlink_to(box / "good")
    (box / "up").symlink_to(box.parent)
    (box / "line\nbreak").write_text("x")
    Path(os.fsdecode(os.fsencode(box) + b"/latin\xe9")).write_text("x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(box / "socket"))
        with caplog.at_level(logging.WARNING):
            assert await names(blobs) == ["good"]
            assert await names(blobs) == ["good"]
        for name in ("pipe", "link", "socket", "up", "up/box/good"):
            with pytest.raises(errors.BlobNotFound):
                await content(blobs, name)
            with pytest.raises(errors.BlobNotFound):
                await blobs.properties("box", name)
    # Once for each, not at every listing.
    assert len(caplog.records) == 6


async def test_no_link_leads_out_of_a_container(
    blobs: FileBlobStore, box: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (box / "out").symlink_to(outside)
    (box / "secret").symlink_to(outside / "secret")
    (tmp_path / "blobs" / "linked").symlink_to(outside)
    with pytest.raises(errors.Conflict):
        await blobs.write("box", "out/new", b"x")
    with pytest.raises(errors.Conflict):
        await blobs.write("linked", "new", b"x")
    with pytest.raises(errors.BlobNotFound):
        await content(blobs, "out/secret")
    with pytest.raises(errors.BlobNotFound):
        await blobs.properties("linked", "secret")
    await blobs.delete("box", "out/secret")
    await blobs.delete("linked", "secret")
    assert [blob.name async for blob in blobs.list("linked")] == []
    assert await names(blobs, "out/") == []
    await blobs.write("box", "secret", b"written over the link, not through it")
    assert files_below(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"


async def test_a_blob_and_a_folder_cannot_share_a_name(blobs: FileBlobStore) -> None:
    await blobs.write("box", "a", b"x")
    await blobs.write("box", "d/e/f", b"x")
    for name, what in (("a/b", "'a' is a blob"), ("d/e", "'d/e' is a folder"), ("d", "'d' is a")):
        for if_absent in (False, True):
            with pytest.raises(errors.Conflict, match=what):
                await blobs.write("box", name, b"y", if_absent=if_absent)
            with pytest.raises(errors.Conflict, match=what):
                await blobs.commit_blocks("box", name, [], if_absent=if_absent)
    assert await names(blobs) == ["a", "d/e/f"]
    await blobs.delete("box", "d/e")
    assert await names(blobs) == ["a", "d/e/f"]


async def test_an_empty_folder_gives_way_to_a_blob(blobs: FileBlobStore, box: Path) -> None:
    for name, if_absent in (("a", False), ("b", True)):
        (box / name).mkdir()
        await blobs.write("box", name, b"x", if_absent=if_absent)
    assert await names(blobs) == ["a", "b"]


async def test_deleting_a_folders_last_blob_removes_the_folder(
    blobs: FileBlobStore, box: Path
) -> None:
    await blobs.write("box", "a/b/c", b"x")
    await blobs.write("box", "a/d", b"x")
    await blobs.delete("box", "a/b/c")
    assert [path.name for path in (box / "a").iterdir()] == ["d"]
    await blobs.delete("box", "a/d")
    assert list(box.iterdir()) == []
    await blobs.write("box", "a", b"now a blob")


async def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(
    blobs: FileBlobStore,
) -> None:
    async def write_and_delete(n: int) -> None:
        for _ in range(20):
            await blobs.write("box", f"deep/er/{n}", b"x", if_absent=n % 2 == 0)
            await blobs.delete("box", f"deep/er/{n}")

    await asyncio.gather(*[write_and_delete(n) for n in range(6)])
    assert await names(blobs) == []


async def test_nothing_is_left_behind_beside_the_blobs(
    blobs: FileBlobStore, tmp_path: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2 * MIB
        raise ConnectionResetError

    await blobs.write("box", "a", b"x", metadata={"a": "b"})
    await blobs.write("box", "a", b"y", metadata={"a": "c"}, if_absent=False)
    with pytest.raises(errors.BlobExists):
        await blobs.write("box", "a", b"z", metadata={"a": "d"}, if_absent=True)
    with pytest.raises(ConnectionResetError):
        await blobs.write("box", "b", broken(), metadata={"a": "d"})
    await blobs.stage_block("box", "c", "1", b"x")
    await blobs.commit_blocks("box", "c", ["1"], metadata={"a": "b"})
    await blobs.delete("box", "a")
    await blobs.delete("box", "c")
    await blobs.close()
    assert files_below(tmp_path) == []


async def test_the_store_opens_lazily(tmp_path: Path) -> None:
    blobs = opened(tmp_path / "data")
    await blobs.close()
    assert not (tmp_path / "data").exists()
    with pytest.raises(errors.Unavailable):
        await blobs.properties("box", "a")


async def test_the_sweep_removes_what_is_old_and_only_that(
    blobs: FileBlobStore, tmp_path: Path
) -> None:
    state = tmp_path / "blob-state"
    kept = await blobs.write("box", "kept", b"x", metadata={"a": "b"})
    await blobs.write("box", "changed", b"x", metadata={"a": "b"})
    (tmp_path / "blobs" / "box" / "changed").write_text("by a user")
    for blob in ("old", "young"):
        await blobs.stage_block("box", blob, "1", b"x")
    (state / "temp" / "old").write_text("")
    (state / "temp" / "young").write_text("")
    week = time.time() - 8 * 24 * 3600
    old_blocks = next(
        path
        for path in (state / "blocks" / "box").iterdir()
        if path.name == hashlib.sha256(b"old").hexdigest()
    )
    for path in (
        state / "temp" / "old",
        *old_blocks.iterdir(),
        old_blocks,
        *(state / "properties" / "box").iterdir(),
    ):
        os.utime(path, (week, week))
    await blobs.sweep()
    assert [path.name for path in (state / "temp").iterdir()] == ["young"]
    assert len(list((state / "properties" / "box").iterdir())) == 1
    assert await blobs.properties("box", "kept") == kept
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("box", "old", ["1"])
    await blobs.commit_blocks("box", "young", ["1"])


async def test_a_lent_blob_can_be_read_by_its_file_url(blobs: FileBlobStore) -> None:
    await blobs.write("box", "a b/ü#?%.csv", b"x")
    [url] = await blobs.lend([("box", "a b/ü#?%.csv")])
    assert url is not None
    assert url.startswith("file:///")
    assert Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).read_bytes() == b"x"


async def test_a_worker_stages_a_block_at_a_lent_place(blobs: FileBlobStore) -> None:
    for id in ("1", "2"):
        url = await blobs.lend_block("box", "out/a", id)
        place = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        draft = place.with_name(f"{place.name}.partial")
        draft.write_bytes(id.encode() * 3)
        if id == "1":
            draft.rename(place)
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("box", "out/a", ["1", "2"])
    draft.rename(place)
    await blobs.commit_blocks("box", "out/a", ["2", "1"])
    assert await content(blobs, "out/a") == b"222111"


async def test_a_block_without_content_is_never_committed(blobs: FileBlobStore) -> None:
    url = await blobs.lend_block("box", "a", "1")
    Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).touch()
    with pytest.raises(errors.Invalid, match="empty"):
        await blobs.commit_blocks("box", "a", ["1"])
    assert await names(blobs) == []


async def test_of_blocks_that_are_staged_together_each_is_refused_for_itself(
    blobs: FileBlobStore,
) -> None:
    ids = ["00", "01", "2", "03"]
    done = await asyncio.gather(
        *(blobs.stage_block("box", "a", id, id.encode()) for id in ids), return_exceptions=True
    )
    assert [type(each) for each in done] == [type(None), type(None), errors.Invalid, type(None)]
    await blobs.commit_blocks("box", "a", ["03", "01", "00"])
    assert await content(blobs, "a") == b"030100"


async def test_what_is_staged_after_a_commit_may_have_ids_of_another_length(
    blobs: FileBlobStore,
) -> None:
    for ids in (["00", "01"], ["0", "1"], ["000"]):
        for id in ids:
            await blobs.stage_block("box", "a", id, id.encode())
        with pytest.raises(errors.Invalid, match="one length"):
            await blobs.stage_block("box", "a", "0000", b"x")
        await blobs.commit_blocks("box", "a", ids)
        assert await content(blobs, "a") == "".join(ids).encode()


async def test_a_folder_of_blocks_that_somebody_took_away_is_made_anew(
    blobs: FileBlobStore, tmp_path: Path
) -> None:
    await blobs.stage_block("box", "a", "00", b"lost")
    [block] = tmp_path.rglob("*.block")
    shutil.rmtree(block.parent)
    await blobs.stage_block("box", "a", "01", b"there")
    await blobs.commit_blocks("box", "a", ["01"])
    assert await content(blobs, "a") == b"there"


async def test_many_are_read_whole_as_each_would_be(blobs: FileBlobStore, box: Path) -> None:
    there = [f"{folder}/{n}" for folder in ("in", "in/deep", "in") for n in range(4)]
    etags = {each: (await blobs.write("box", each, each.encode())).etag for each in there}
    changed = (await blobs.write("box", "typed", b"x", content_type="text/csv")).etag
    await blobs.files.change("box", "typed", lambda record: replace(record, metadata={"a": "b"}))
    (box / "in/1").write_bytes(b"another")
    (box / "in/2").unlink()
    (box / "link").symlink_to(box / "in/3")
    large = (await blobs.write("box", "large", b"x" * 100)).etag
    asked: list[tuple[str, str, str | None]] = [("box", each, etags[each]) for each in there]
    asked += [("box", "link", etags["in/3"]), ("box", "typed", changed), ("box", "large", large)]
    asked += [("box", "none/at/all", large)]
    together = await blobs.files.wholes(asked, MIB, 99)
    faults = {
        name: type(each)
        for (_, name, _), each in zip(asked, together, strict=True)
        if not isinstance(each, bytes)
    }
    missing, stale = errors.BlobNotFound, errors.StaleETag
    assert faults == {
        **{"in/1": stale, "in/2": missing, "link": missing, "typed": stale},
        **{"large": errors.TooLarge, "none/at/all": missing},
    }
    assert [each for each in together if isinstance(each, bytes)] == [
        name.encode() for name in there if name not in faults
    ]
    # One that can be no blob, or is named without its ETag, changes nothing for others.
    odd = [*asked, ("box", "../x", large), ("box", "in/0", None)]
    again = await blobs.files.wholes(odd, MIB, 99)
    assert list(map(repr, again[:-2])) == list(map(repr, together))
    assert isinstance(again[-2], errors.Invalid)
    assert again[-1] == b"in/0"


async def test_no_more_is_read_whole_than_was_asked_for(blobs: FileBlobStore) -> None:
    asked = [("box", n, (await blobs.write("box", n, b"1234567890")).etag) for n in "abc"]
    assert len(await blobs.files.wholes(asked, 20, 10)) == 2
    assert len(await blobs.files.wholes(asked, 21, 10)) == 3


async def test_blocks_are_joined_without_the_kernels_copy(
    blobs: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    blocks = [random.Random(n).randbytes(3 * MIB + n) for n in range(3)]
    for n, block in enumerate(blocks):
        await blobs.stage_block("box", "a", f"{n}", block)
    await blobs.commit_blocks("box", "a", ["2", "0", "1", "0"])
    wanted = blocks[2] + blocks[0] + blocks[1] + blocks[0]
    assert await content(blobs, "a") == wanted


async def test_many_blocks_are_committed_in_little_memory(blobs: FileBlobStore) -> None:
    count = 4_000
    ids = [f"{n:06}" for n in range(count)]
    for id in ids:
        url = await blobs.lend_block("box", "a", id)
        Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).write_text(id)
    tracemalloc.start()
    try:
        await blobs.commit_blocks("box", "a", ids)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert await content(blobs, "a") == "".join(ids).encode()
    assert peak < 300 * count
    again = ["000001", "000001", "missing", "000000", "absent", "absent"]
    with pytest.raises(errors.Invalid, match="'missing', 'absent'"):
        await blobs.commit_blocks("box", "a", again)
    await blobs.commit_blocks("box", "a", ["000003", "000001"])
    assert await content(blobs, "a") == b"000003000001"


async def test_a_blob_has_another_name_for_whoever_may_read_it(
    blobs: FileBlobStore, box: Path, tmp_path: Path
) -> None:
    etags = [(await blobs.write("box", name, b"1")).etag for name in ("a/x", "b/x", "y")]
    os.symlink("y", box / "link")
    (box / "a" / "x").chmod(0o600)
    asked = [("box", "a/x", etags[0]), ("box", "b/x", etags[1]), ("box", "y", etags[0])]
    asked += [("box", "link", etags[2]), ("box", "gone", etags[2])]
    folder = tmp_path / "unit"
    for _ in range(2):
        assert await blobs.files.links(asked, folder) == ["0/x", "1/x", None, None, None]
    assert (folder / "0" / "x").samefile(box / "a" / "x")
    assert (folder / "0" / "x").stat().st_mode & 0o777 == 0o644
    assert not os.path.lexists(folder / "0" / "link")
