"""Disks that fill, writers that are killed, streams larger than memory."""

import asyncio
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain import errors
from tests.infra.embedded.blobs.boxes import MIB, content, files_below, names, opened
from tests.infra.embedded.killed import killed_when_it_says
from tests.kit.waiting import PATIENCE


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Stands for a full disk: the kernel refuses to make any file larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_and_leaves_nothing_half_made(
    tmp_path: Path,
) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * MIB

    blobs = opened(tmp_path)
    await blobs.write("box", "old", b"old")
    await blobs.stage_block("box", "joined", "1", b"x" * 3 * MIB)
    with files_no_larger_than(4 * MIB):
        with pytest.raises(errors.StorageFull):
            await blobs.write("box", "old", large())
        with pytest.raises(errors.StorageFull):
            await blobs.write("box", "new", b"x" * 8 * MIB, metadata={"a": "b"})
        with pytest.raises(errors.StorageFull):
            await blobs.stage_block("box", "staged", "1", b"x" * 8 * MIB)
        with pytest.raises(errors.StorageFull):
            await blobs.commit_blocks("box", "joined", ["1", "1"])
    assert await content(blobs, "old") == b"old"
    assert await names(blobs) == ["old"]
    await blobs.commit_blocks("box", "joined", ["1", "1"])
    await blobs.close()
    assert list((tmp_path / "blob-state" / "temp").iterdir()) == []


async def test_a_cancelled_write_or_read_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = opened(tmp_path)
    await blobs.write("box", "old", b"x" * 8 * MIB)
    before = len(os.listdir("/dev/fd"))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * MIB

    async def read() -> None:
        while True:
            async for _ in blobs.read("box", "old"):
                pass

    async def write() -> None:
        await blobs.write("box", "new", endless())

    for work in (read, write):
        for turns in (1, 5, 30):
            task = asyncio.create_task(work())
            for _ in range(turns):
                await blobs.properties("box", "old")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    await blobs.close()
    assert len(os.listdir("/dev/fd")) <= before
    assert list((tmp_path / "blob-state" / "temp").iterdir()) == []
    assert files_below(tmp_path / "blobs") == ["box/old"]


async def test_killed_writers_leave_whole_blobs_and_lose_none_that_was_told(
    tmp_path: Path,
) -> None:
    said = await asyncio.to_thread(
        killed_when_it_says,
        """
        from infra.embedded.blobs.file_blob_store import FileBlobStore

        async def main(folder):
            blobs = FileBlobStore(folder, base_url="https://h", key=b"k")

            async def one(n):
                text = f"{n}," * 20000
                meta = {"n": f"{n}"}
                await blobs.write("box", f"w/{n}", text.encode(), metadata=meta)
                await blobs.write("box", "same", text.encode(), metadata=meta)
                for part in range(3):
                    await blobs.stage_block("box", f"c/{n}", f"{part}", text.encode())
                await blobs.commit_blocks("box", f"c/{n}", ["2", "0", "1"], if_absent=True)
                print(n, flush=True)

            n = 0
            while True:
                await asyncio.gather(*[one(n + i) for i in range(4)])
                n += 4
        """,
        tmp_path,
        lines=40,
    )
    blobs = opened(tmp_path)
    found = set()
    async for blob in blobs.list("box"):
        found.add(blob.name)
        whole = (await content(blobs, blob.name)).decode()
        number = whole.partition(",")[0]
        times = 60000 if blob.name.startswith("c/") else 20000
        assert whole == f"{number}," * times
        if not blob.name.startswith("c/"):
            assert blob.metadata == {"n": number}
    assert {f"{kind}/{n}" for n in said for kind in "wc"} | {"same"} <= found
    await blobs.close()


def test_a_large_stream_passes_in_little_memory(tmp_path: Path) -> None:
    script = """
        import asyncio, resource, sys
        from pathlib import Path
        from infra.embedded.blobs.file_blob_store import FileBlobStore

        SIZE = 64 * 1024 * 1024

        async def pieces():
            for _ in range(SIZE // 65536):
                yield b"x" * 65536

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

        async def main():
            blobs = FileBlobStore(Path(sys.argv[1]), base_url="https://h", key=b"k")
            await blobs.write("box", "warm", b"x" * 2 * 1024 * 1024)
            before = peak()
            await blobs.write("box", "a", pieces())
            for n in range(64):
                await blobs.stage_block("box", "b", f"{n:02}", b"x" * (SIZE // 64))
            await blobs.commit_blocks("box", "b", [f"{n:02}" for n in range(64)])
            read = 0
            for name in ("a", "b"):
                async for piece in blobs.read("box", name):
                    read += len(piece)
            assert read == 2 * SIZE
            print(peak() - before)
            await blobs.close()

        asyncio.run(main())
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        cwd=Path(__file__).resolve().parents[4],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert int(answer.stdout) < 24 * MIB
