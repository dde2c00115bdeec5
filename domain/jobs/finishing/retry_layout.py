"""How the rows of a retry and of the job it retries stand together: in the order of the first
job's inputs. Fixed when the retry is planned, from the records of a job that has ended, and
kept beside its plan, so that nothing of that job is needed later but what it wrote.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.jobs.finishing.parquet_folder import FolderPart
from domain.jobs.records.job_plan import Plan, lines_of, plan_folder, read_whole
from domain.ports import BlobStore
from domain.values import Value

_LINES = 10_000


@dataclass(frozen=True)
class KeptRows:
    """Bytes of the retried job's output."""

    offset: int
    length: int


@dataclass(frozen=True)
class OwnRows:
    """What the retry's `count` mini-batches from `first` on have given."""

    first: int
    count: int


Entry = KeptRows | FolderPart | OwnRows


class Base(Value):
    """The retried job's output as it was when the retry was planned. `etag` is that of the
    file, or of the manifest of a folder of parts; none: it has no rows. `settled`: its
    columns are those of rows."""

    container: str
    path: str
    etag: str | None
    length: int
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    settled: bool = False


class LayoutWriter:
    """Holds some lines at a time."""

    def __init__(self, blobs: BlobStore, job: str, plan: str) -> None:
        self._blobs = blobs
        self._folder = _folder(job, plan)
        self._lines: list[bytes] = []
        self._written = 0

    async def add(self, entry: Entry) -> None:
        self._lines.append(_line(entry))
        if len(self._lines) >= _LINES:
            await self._flush()

    async def end(self, base: Base) -> None:
        await self._flush()
        content = json.dumps(base.to_document()).encode()
        await self._blobs.write(SYSTEM_CONTAINER, f"{self._folder}/base.json", content)

    async def _flush(self) -> None:
        if self._lines:
            name = f"{self._folder}/{self._written:06d}.jsonl"
            await self._blobs.write(SYSTEM_CONTAINER, name, b"".join(self._lines))
            self._written += 1
            self._lines.clear()


class LayoutReader:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def base(self, job: str, plan: Plan) -> Base:
        name = f"{_folder(job, plan.id)}/base.json"
        return Base.from_document(json.loads(await read_whole(self._blobs, SYSTEM_CONTAINER, name)))

    async def entries(self, job: str, plan: Plan) -> AsyncIterator[Entry]:
        """In the order of the rows."""
        prefix = f"{_folder(job, plan.id)}/0"
        names = [blob.name async for blob in self._blobs.list(SYSTEM_CONTAINER, prefix)]
        for name in names:
            async for line in lines_of(self._blobs, SYSTEM_CONTAINER, name):
                yield _entry(line)


def _folder(job: str, plan: str) -> str:
    return f"{plan_folder(job)}/{plan}/layout"


def _line(entry: Entry) -> bytes:
    match entry:
        case KeptRows():
            row: list[object] = ["kept", entry.offset, entry.length]
        case FolderPart():
            row = ["part", entry.name, entry.rows, entry.length, entry.digest]
        case OwnRows():
            row = ["own", entry.first, entry.count]
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _entry(line: bytes) -> Entry:
    # What a newer process says after the values known here is read over.
    kind, *values = json.loads(line)
    match kind:
        case "kept":
            return KeptRows(*values[:2])
        case "part":
            return FolderPart(*values[:4])
        case _:
            return OwnRows(*values[:2])
