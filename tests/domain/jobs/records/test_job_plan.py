import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.batch.mini_batch_cut import MiniBatchBy, MiniBatchCut
from domain.jobs.records.job_plan import (
    Plan,
    PlannedFile,
    PlanReader,
    PlanSource,
    PlanWriter,
    Weighed,
    unit_size,
)
from domain.jobs.records.job_times import JobTimes
from domain.ports import InputPiece
from infra.embedded.blobs.file_blob_store import FileBlobStore


async def planned(blobs: FileBlobStore, count: int, size: int, unit: int = 1) -> Plan:
    async def files() -> AsyncIterator[Weighed]:
        for i in range(count):
            yield PlannedFile(f"{i:07d}.csv", f'"{i}"', i), 1

    writer = PlanWriter(blobs, "job", "plan", MiniBatchCut(MiniBatchBy.FILES, size))
    await writer.write(files())
    return Plan(
        id="plan",
        sources=(PlanSource(container="c", root=""),),
        files=writer.files,
        bytes=writer.bytes,
        mini_batches=writer.mini_batches,
        unit_size=unit,
    )


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobStore:
    return FileBlobStore(tmp_path, base_url="https://example.test", key=lambda: b"k" * 32)


@pytest.mark.parametrize(
    ("count", "size", "unit"), [(1, 10, 1), (10, 10, 1), (11, 10, 1), (2503, 1, 1), (7009, 3, 4)]
)
async def test_every_file_is_in_one_mini_batch_in_order(
    blobs: FileBlobStore, count: int, size: int, unit: int
) -> None:
    plan = await planned(blobs, count, size, unit)
    reader = PlanReader(blobs)
    found: list[str] = []
    for number in range(plan.units):
        mini_batches = plan.mini_batches_of(number)
        files = await reader.files("job", plan, mini_batches)
        assert len(files) == len(mini_batches)
        assert all(len(some) == size for some in files[:-1])
        found += [file.name for some in files for file in some]
    assert found == [f"{i:07d}.csv" for i in range(count)]
    assert plan.bytes == sum(range(count))


async def test_nothing_to_plan_writes_nothing(blobs: FileBlobStore) -> None:
    plan = await planned(blobs, 0, 10)
    assert (plan.files, plan.mini_batches, plan.units) == (0, 0, 0)
    assert [b async for b in blobs.list("system")] == []


async def test_memory_does_not_grow_with_the_number_of_files(blobs: FileBlobStore) -> None:
    async def peak(count: int) -> int:
        tracemalloc.start()
        await planned(blobs, count, 10)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    await peak(10)
    small, large = await peak(5_000), await peak(40_000)
    assert large < 1.5 * small + 300_000


def test_units_hold_one_mini_batch_until_there_are_too_many() -> None:
    assert [
        unit_size(n, JobTimes().most_units) for n in (1, 40_000, 40_001, 80_000, 80_001, 1_000_000)
    ] == [
        1,
        1,
        2,
        2,
        3,
        25,
    ]


def test_what_a_newer_process_says_of_a_file_besides_is_read_over() -> None:
    file = PlannedFile("a.csv", '"1"', 10, 1, InputPiece(3, 4, 5, 6, 7))
    name, etag, size, source, piece = json.loads(file.line())
    line = json.dumps([name, etag, size, source, [*piece, "rows", 8], {"colour": "green"}])
    assert PlannedFile.from_lines(line.encode() + b"\n" + file.line()) == [file, file]
