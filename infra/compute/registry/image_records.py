"""What is kept of the images of environments, for all hosts of an installation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.errors import BlobNotFound, DocumentExists, DocumentNotFound, StaleETag
from domain.ports import BlobStore, Create, Replace, ResourceStore, all_documents

PARTITION: Final = "environmentImages"
_KIND: Final = "environmentImage"
_KEPT_EVERY: Final = 2.0


@dataclass(frozen=True)
class KeptLayer:
    """As image_appending.Stacked has it."""

    media_type: str
    digest: str
    size: int
    diff_id: str


@dataclass(frozen=True)
class ImageRecord:
    """`image` is the image by its digest, made of what `base` meant at `base_digest`, with `layers`
    on it: the environment's, and our own `program`; None until it is made. The environment's is for
    the Python at `python`. `holder` is the host that makes it, which counts on in `beat`; `run` is
    the build that it has begun elsewhere."""

    key: str
    base: str
    base_digest: str = ""
    python: str = ""
    image: str | None = None
    layers: tuple[KeptLayer, ...] = ()
    program: str = ""
    has_packages: bool = True
    made_at: str = ""
    holder: str = ""
    beat: int = 0
    run: str = ""

    @classmethod
    def of(cls, body: Any) -> Self:
        known = {name: body[name] for name in cls.__dataclass_fields__ if name in body}
        known["layers"] = tuple(KeptLayer(**each) for each in body.get("layers", ()))
        return cls(**known)

    @property
    def body(self) -> dict[str, Any]:
        return {"kind": _KIND, **asdict(self)}


class ImageRecords:
    """Records in `store`, and what was resolved and printed in `blobs`, where no URL leads."""

    def __init__(self, store: ResourceStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def find(self, key: str) -> tuple[ImageRecord, str] | None:
        """With its ETag."""
        try:
            document = await self._store.get(PARTITION, key)
        except DocumentNotFound:
            return None
        return ImageRecord.of(document.body), document.etag

    async def save(self, record: ImageRecord, etag: str | None) -> str | None:
        """Its ETag then; None where somebody else has changed it. `etag` None: it is new."""
        write = (
            Create(record.key, record.body)
            if etag is None
            else Replace(record.key, record.body, etag)
        )
        try:
            [written] = await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return None
        return written.etag

    async def all(self) -> Sequence[tuple[ImageRecord, str]]:
        found = all_documents(self._store, _KIND, partition=PARTITION)
        return [(ImageRecord.of(each.body), each.etag) async for each in found]

    async def lock(self, key: str) -> str:
        """What was resolved; '' if nothing has been yet."""
        return await self._text(f"environments/{key}/requirements.lock")

    async def keep_lock(self, key: str, lock: str) -> None:
        await self._keep(f"environments/{key}/requirements.lock", lock)

    async def log(self, key: str) -> str:
        """What the build printed that the image came of."""
        return await self._text(f"environments/{key}/build.log")

    async def keep_log(self, key: str, log: str) -> None:
        await self._keep(f"environments/{key}/build.log", log)

    async def _text(self, name: str) -> str:
        try:
            pieces = [piece async for piece in self._blobs.read(SYSTEM_CONTAINER, name)]
        except BlobNotFound:
            return ""
        return b"".join(pieces).decode(errors="replace")

    async def _keep(self, name: str, text: str) -> None:
        await self._blobs.write(SYSTEM_CONTAINER, name, text.encode())


@asynccontextmanager
async def kept_log(
    records: ImageRecords, key: str, say: Callable[[str], None]
) -> AsyncIterator[Callable[[str], None]]:
    """What says a line, and keeps it, so that other hosts see how far it is."""
    told: list[str] = []

    def both(line: str) -> None:
        told.append(line)
        say(line)

    keeping = asyncio.create_task(_keep_on(records, key, told), name="log of a build")
    try:
        yield both
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await records.keep_log(key, "\n".join(told))


async def _keep_on(records: ImageRecords, key: str, told: list[str]) -> None:
    kept = 0
    while True:
        if len(told) != kept:
            kept = len(told)
            await records.keep_log(key, "\n".join(told))
        await asyncio.sleep(_KEPT_EVERY)
