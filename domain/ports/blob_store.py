"""Block blobs in containers."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class BlobFolder:
    """A file or folder in the blob store: `path` is a blob, or a prefix of blobs, or '' for
    the whole container."""

    container: str
    path: str


@dataclass(frozen=True)
class SealedFolder:
    """The file or folder of a registered version, as it was then: `seal` names the list of its
    files (domain/assets/sealing/seals.py), by which whoever fetches them checks each."""

    container: str
    path: str
    seal: str


@dataclass(frozen=True)
class BlobProperties:
    """`name` is relative to its container. `size` is in bytes; `etag` changes with every
    change of content."""

    name: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


class Permission(StrEnum):
    READ = "r"
    WRITE = "w"
    LIST = "l"
    DELETE = "d"


class BlobStore(Protocol):
    """Block blobs in containers. Containers come into being with their first write.

    A blob name is 1 to 1,024 characters, `/` between its at most 254 segments; no segment
    is empty, `.` or `..` (Invalid otherwise). Readers never see a blob half-written.
    """

    @abstractmethod
    async def properties(self, container: str, name: str) -> BlobProperties:
        """Raises BlobNotFound."""

    @abstractmethod
    def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        """The content in pieces of at most 4 MiB. Raises BlobNotFound, or StaleETag if the
        blob is not (or stops being) the one `etag` names."""

    @abstractmethod
    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Replace the whole blob at once when the last piece has come. With `if_absent`,
        raises BlobExists when a blob is there, and of racing writers one wins."""

    @abstractmethod
    async def delete(self, container: str, name: str) -> None:
        """Deleting what is not there is no error."""

    @abstractmethod
    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        """Blobs whose names begin with `prefix`, as a stream in order of name (by code
        point). A container that is not there is empty."""

    @abstractmethod
    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        """Keep `content` (1 byte or more) as an uncommitted block of the blob. Staging an
        id again replaces it. All ids of one blob have one length (at most 64 characters)."""

    @abstractmethod
    async def commit_blocks(
        self,
        container: str,
        name: str,
        block_ids: Sequence[str],
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Make the blob the concatenation of the named blocks, in that order, and drop
        its other uncommitted ones. At most 50,000; an unknown id raises Invalid; with
        `if_absent`, raises BlobExists when a blob is there. No ids: an empty blob."""

    @abstractmethod
    async def lend(self, blobs: Sequence[tuple[str, str]]) -> Sequence[str]:
        """For each container and name, in order, a URL from which a worker beside a model can
        read the blob for an hour: `file:` on this machine, else a signed `https:` one. Nothing
        is looked at: that there is no blob, or another by then, shows when it is read, by
        `If-Match`, or by what stat tells of the file: the ETag of a blob that is lent as one
        begins with its inode, time of change in ns, and size, as `"0x{:X}-{:X}-{:X}`."""

    @abstractmethod
    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        """A URL to which such a worker can write one block for an hour. For `file:` it
        writes a sibling file and renames it; for `https:` it PUTs."""

    @abstractmethod
    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        """A URL that needs no further credential for the blob (or, with no name, for every
        blob of the container: put `/{name}` before its query)."""

    @abstractmethod
    async def close_to_writers(self, container: str) -> None:
        """From now on no signed URL writes or deletes in the container, whenever it was made.
        Azure's URLs cannot be taken back one by one: there they end when they expire."""

    @abstractmethod
    def url(self, container: str, name: str | None = None) -> str:
        """The plain URL of a blob or container, without any credential."""

    @abstractmethod
    def locate(self, url: str) -> tuple[str, str] | None:
        """Inverse of `url` (a query is ignored): container and name ('' for a container);
        None for a URL that is not this store's."""
