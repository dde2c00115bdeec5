"""A job's results as a folder of Parquet parts: one for each unit with rows, named in input
order, and a manifest that is written last.

A worker stages a unit's part as a block of the part's blob; here the recorded block is
committed. What a late attempt stages besides is never part of a blob, so the folder holds
recorded parts alone, and each of them whole.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from domain.errors import BlobNotFound, Conflict, Invalid
from domain.jobs.finishing.result_parts import Part, Parts
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.records.batch_job import BatchJob, JobOutput
from domain.jobs.records.output_ownership import (
    JOB,
    STATE,
    OutputDisturbed,
    disturbed,
    obstructed,
    state_of,
)
from domain.ports import BlobStore

MANIFEST = "_manifest.json"
PART_TYPE = "application/vnd.apache.parquet"
_AT_ONCE = 16


@dataclass(frozen=True)
class FolderPart:
    """`digest` is SHA-256 in hex; `length` in bytes."""

    name: str
    rows: int
    length: int
    digest: str


class ParquetFolder:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def commit(self, job: BatchJob, rows: ResultRows, *, partial: bool) -> None:
        """Make the folder what the records amount to. Asked again it recognises its own
        work. Raises OutputDisturbed."""
        output = job.output
        if await self.is_whole(job, output, partial=partial):
            return
        for start in range(0, len(rows.parts), _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, len(rows.parts)))
            await asyncio.gather(*(self._commit(job, rows.parts[number]) for number in some))
        parts = _folder_parts(output, rows.parts)
        await self.write_manifest(job, output, rows.columns, rows.types, parts, partial=partial)

    async def is_whole(self, job: BatchJob, output: JobOutput, *, partial: bool) -> bool:
        """Whether the job's manifest stands in the folder `output`, which it ends."""
        try:
            there = await self._blobs.properties(output.container, f"{output.path}/{MANIFEST}")
        except BlobNotFound:
            return False
        own = {JOB: job.name, STATE: state_of(partial=partial)}
        return own.items() <= there.metadata.items()

    async def write_manifest(
        self,
        job: BatchJob,
        output: JobOutput,
        columns: Sequence[str],
        types: Sequence[str],
        parts: AsyncIterator[FolderPart],
        *,
        partial: bool,
    ) -> None:
        """Say what the folder `output` holds, once all of it is there. Raises
        OutputDisturbed."""
        state = state_of(partial=partial)
        name = f"{output.path}/{MANIFEST}"
        schema = [{"name": c, "type": t} for c, t in zip(columns, types, strict=bool(types))]
        head: dict[str, object] = {
            "job": job.name,
            "state": state,
            "format": "parquet",
            "schema": schema,
        }
        try:
            await self._blobs.write(
                output.container,
                name,
                _pieces(head, parts),
                if_absent=True,
                content_type="application/json",
                metadata={JOB: job.name, STATE: state},
            )
        except Conflict as error:
            try:
                there = await self._blobs.properties(output.container, name)
            except BlobNotFound:
                raise obstructed(error) from error
            if there.metadata.get(JOB) != job.name:
                raise disturbed(output.container, name) from None

    async def _commit(self, job: BatchJob, part: Part) -> None:
        container, path = job.output.container, job.rows_path(part.unit)
        try:
            blob = await self._blobs.commit_blocks(
                container,
                path,
                [part.block.id],
                if_absent=True,
                content_type=PART_TYPE,
                metadata={JOB: job.name},
            )
        except (Conflict, Invalid) as error:
            # Committed before, and the block is no longer one that waits; or it is gone.
            try:
                blob = await self._blobs.properties(container, path)
            except BlobNotFound:
                raise (obstructed(error) if isinstance(error, Conflict) else error) from None
            if blob.metadata.get(JOB) != job.name:
                raise disturbed(container, path) from None
        if blob.size != part.block.length:
            raise OutputDisturbed(
                f"The part '{path}' has {blob.size} bytes where its record names "
                f"{part.block.length}; it was changed after it was recorded."
            )


def folder_part(output: JobOutput, part: Part) -> FolderPart:
    """A unit's part as the folder `output` has it."""
    block = part.block
    return FolderPart(output.part_name(part.unit), part.rows, block.length, block.digest)


async def _folder_parts(output: JobOutput, parts: Parts) -> AsyncIterator[FolderPart]:
    for part in parts:
        yield folder_part(output, part)


async def _pieces(
    head: dict[str, object], parts: AsyncIterator[FolderPart]
) -> AsyncIterator[bytes]:
    """One JSON object, a line for each part; the sum of the rows comes last."""
    yield json.dumps(head, ensure_ascii=False).removesuffix("}").encode() + b', "parts": ['
    rows = 0
    separator = b"\n"
    async for part in parts:
        rows += part.rows
        line = {"name": part.name, "rows": part.rows, "length": part.length, "digest": part.digest}
        yield separator + json.dumps(line).encode()
        separator = b",\n"
    yield f'\n], "rows": {rows}}}\n'.encode()
