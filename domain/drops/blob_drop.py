"""Blobs dropped for an endpoint: arrivals, and the drop that gathers them.

(a) Idle -> Gathering      the first arrival opens a drop
(b) Gathering -> Sealed    quiet for a while, a marker has come, or it has waited long enough:
                           the manifest names what was captured, and one write seals it
(c) Sealed -> Idle         its job is saved and its arrivals are marked as taken
(d) Sealed -> Gathering    the same, and others have come meanwhile: the next drop
"""

import hashlib
from enum import StrEnum
from typing import NamedTuple, Self
from uuid import uuid4

from domain.drops.drop_limits import DropLimits
from domain.drops.drop_options import DropOptions
from domain.ports import Document, Json
from domain.values import Value

KIND = "blobDrop"
DOCUMENT_ID = "drop"
ARRIVAL_KIND = "blobArrival"
MARKER = "_SUCCESS"
OPTION_FILES = ("_endpoint.json", "_endpoint.yaml", "_endpoint.yml")
"""Directly in an endpoint's folder: how its drops are gathered and scored."""
ERROR_FILE = "_endpoint.error.txt"
"""Beside them: why they are not."""

_TEMPORARY = (".tmp", ".part", "~")


def partition(endpoint: str) -> str:
    """Holds an endpoint's drop and arrivals, so that one transaction can speak of both."""
    return f"drops/{endpoint.casefold()}"


def is_input(name: str) -> bool:
    """Whether a blob of this name is meant to be scored: neither hidden, nor temporary, nor
    a marker, nor in a hidden folder, nor one that speaks of drops."""
    segments = name.split("/")
    return not (
        any(segment.startswith(".") for segment in segments)
        or segments[-1].casefold().endswith(_TEMPORARY)
        or is_marker(name)
        or segments[-1] in (*OPTION_FILES, ERROR_FILE)
    )


def is_marker(name: str) -> bool:
    return name.rpartition("/")[2] == MARKER


def arrival_id(name: str, etag: str) -> str:
    return "arrival:" + hashlib.sha256(f"{name}\n{etag}".encode()).hexdigest()


class Arrival(Value):
    """One blob as it landed. `name` is the blob's, below the inbox. `drop` is the one that
    took it: None until then."""

    name: str
    etag: str
    size: int
    at: float
    drop: str | None = None

    @property
    def id(self) -> str:
        return arrival_id(self.name, self.etag)

    def to_body(self) -> Json:
        return {
            "kind": ARRIVAL_KIND,
            "taken": self.drop is not None,
            "arrival": self.to_document(),
        }


def arrival_of(document: Document) -> Arrival:
    return Arrival.from_document(document.body["arrival"])


class DropState(StrEnum):
    IDLE = "Idle"
    GATHERING = "Gathering"
    SEALED = "Sealed"


class Captured(NamedTuple):
    """What a sealed drop has: `manifest` is the blob, in the system container, that names it.
    `files` are to be scored; `folder` is theirs, below the inbox."""

    manifest: str
    files: int
    folder: str


class BlobDrop(Value):
    """What gathers for one endpoint now. Times are Unix seconds: the last file
    landed at `last_at`, and news of one came last at `told_at`. `pending`: something has
    come since it was sealed (and `marker` then is the next drop's). `manifest`, `captured` and
    `folder` are what `seal` says together. `waits` counts looks that found the endpoint not
    ready. `options` are those that were there when it began, or the first that came after;
    `files` and `bytes` are at least what it has gathered."""

    endpoint: str
    state: DropState = DropState.IDLE
    id: str = ""
    folder: str = ""
    first_at: float = 0.0
    last_at: float = 0.0
    told_at: float = 0.0
    marker: str | None = None
    pending: bool = False
    manifest: str | None = None
    captured: int = 0
    waits: int = 0
    waiting_for: str | None = None
    options: DropOptions | None = None
    files: int = 0
    bytes: int = 0
    chain: int = 0
    tick: int = 0

    @property
    def seal(self) -> Captured | None:
        """None for a drop that is not sealed."""
        if self.manifest is None:
            return None
        return Captured(self.manifest, self.captured, self.folder)

    def to_body(self) -> Json:
        return {"kind": KIND, "drop": self.to_document()}

    def opened(self, now: float) -> Self:
        """The next drop, which begins now."""
        return self.but(
            state=DropState.GATHERING,
            id=uuid4().hex,
            first_at=now,
            last_at=now,
            told_at=now,
            marker=None,
            pending=False,
            manifest=None,
            captured=0,
            waits=0,
            waiting_for=None,
            options=None,
            files=0,
            bytes=0,
        )

    def touched(
        self,
        now: float,
        marker: str | None,
        files: int = 0,
        bytes: int = 0,
        landed: float | None = None,
    ) -> Self:
        """Something has come, which has landed now or then."""
        if self.state is DropState.SEALED:
            return self.but(pending=True, marker=marker or self.marker)
        if self.state is DropState.GATHERING:
            after = self
        else:
            after = self.opened(now).but(last_at=now if landed is None else landed)
        return after.but(
            last_at=max(now if landed is None else landed, after.last_at),
            told_at=max(now, after.told_at),
            marker=marker or after.marker,
            files=after.files + files,
            bytes=after.bytes + bytes,
        )

    def limits(self, settings: DropLimits) -> DropLimits:
        """`settings`, with the options over them."""
        if self.options is None:
            return settings
        quiet, wait = self.options.quiet_period, self.options.max_wait
        return DropLimits(
            settings.quiet_period if quiet is None else quiet.total_seconds(),
            settings.max_wait if wait is None else wait.total_seconds(),
            self.options.max_files or settings.max_files,
            self.options.max_bytes or settings.max_bytes,
        )

    def seal_at(self, limits: DropLimits) -> float:
        """When it is complete, if nothing else comes."""
        if self.marker is not None or limits.are_reached(self.files, self.bytes):
            return self.last_at
        # News of many files may take a while: as long as it keeps coming, more may have landed.
        told = self.told_at + limits.quiet_period / 2
        quiet = max(self.last_at + limits.quiet_period, told)
        return min(quiet, self.first_at + limits.max_wait)

    def sealed(self, captured: Captured) -> Self:
        return self.but(
            state=DropState.SEALED,
            marker=None,
            manifest=captured.manifest,
            captured=captured.files,
            folder=captured.folder,
            pending=False,
        )

    def closed(self, now: float, *, files: int = 0, bytes: int = 0) -> Self:
        """Its job is under way; so much has come that no drop has taken."""
        if self.pending or files:
            return self.opened(now).but(marker=self.marker, files=files, bytes=bytes)
        return self.but(
            state=DropState.IDLE,
            marker=None,
            manifest=None,
            captured=0,
            waits=0,
            waiting_for=None,
            options=None,
        )


def drop_of(document: Document) -> BlobDrop:
    return BlobDrop.from_document(document.body["drop"])
