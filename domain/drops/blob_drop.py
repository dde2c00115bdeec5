"""Blobs dropped for an endpoint: arrivals, and the drop that gathers them.

(a) Idle -> Gathering      the first arrival opens a drop
(b) Gathering -> Sealed    quiet for a while, a marker has come, or it has waited long enough:
                           the manifest names what was captured, and one write seals it
(c) Sealed -> Idle         its job is saved and its arrivals are marked as taken
(d) Sealed -> Gathering    the same, and others have come meanwhile: the next drop
"""

import hashlib
from enum import StrEnum
from typing import Self
from uuid import uuid4

from domain.ports import Document, Json
from domain.values import Value

KIND = "blobDrop"
DOCUMENT_ID = "drop"
ARRIVAL_KIND = "blobArrival"
MARKER = "_SUCCESS"

_TEMPORARY = (".tmp", ".part", "~")


def partition(endpoint: str) -> str:
    """Holds an endpoint's drop and arrivals, so that one transaction can speak of both."""
    return f"drops/{endpoint.casefold()}"


def is_input(name: str) -> bool:
    """Whether a blob of this name is meant to be scored: neither hidden, nor temporary, nor
    a marker, nor in a hidden folder."""
    segments = name.split("/")
    return not (
        any(segment.startswith(".") for segment in segments)
        or segments[-1].casefold().endswith(_TEMPORARY)
        or is_marker(name)
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


class BlobDrop(Value):
    """What gathers for one endpoint now. Times are Unix seconds. `pending`: something has
    come since it was sealed (and `marker` then is the next drop's). `manifest` is the blob,
    in the system container, that says what a sealed drop has captured. `waits` counts looks
    that found the endpoint not ready."""

    endpoint: str
    state: DropState = DropState.IDLE
    id: str = ""
    folder: str = ""
    first_at: float = 0.0
    last_at: float = 0.0
    marker: str | None = None
    pending: bool = False
    manifest: str | None = None
    captured: int = 0
    waits: int = 0
    waiting_for: str | None = None
    chain: int = 0
    tick: int = 0

    def to_body(self) -> Json:
        return {"kind": KIND, "drop": self.to_document()}

    def opened(self, now: float) -> Self:
        """The next drop, which begins now."""
        return self.but(
            state=DropState.GATHERING,
            id=uuid4().hex,
            first_at=now,
            last_at=now,
            marker=None,
            pending=False,
            manifest=None,
            captured=0,
            waits=0,
            waiting_for=None,
        )

    def touched(self, now: float, marker: str | None) -> Self:
        """Something has come."""
        if self.state is DropState.SEALED:
            return self.but(pending=True, marker=marker or self.marker)
        after = self if self.state is DropState.GATHERING else self.opened(now)
        return after.but(last_at=max(now, after.last_at), marker=marker or after.marker)

    def seal_at(self, quiet_period: float, max_wait: float) -> float:
        """When it is complete, if nothing else comes."""
        if self.marker is not None:
            return self.last_at
        return min(self.last_at + quiet_period, self.first_at + max_wait)

    def sealed(self, manifest: str, captured: int) -> Self:
        return self.but(
            state=DropState.SEALED,
            marker=None,
            manifest=manifest,
            captured=captured,
            pending=False,
        )

    def closed(self, now: float, *, more: bool) -> Self:
        """Its job is under way; `more` has come that no drop has taken."""
        if self.pending or more:
            return self.opened(now).but(marker=self.marker)
        return self.but(state=DropState.IDLE, marker=None, manifest=None, captured=0)


def drop_of(document: Document) -> BlobDrop:
    return BlobDrop.from_document(document.body["drop"])
