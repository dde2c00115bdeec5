"""The ResourceStore port on dictionaries, for simulation."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Self

from domain.ports import Delete, Document, Page, Replace, ResourceStore, Write
from infra.rules import due_documents
from infra.rules.continuations import Continuations
from infra.rules.document_rules import (
    Encoded,
    check_text,
    check_where,
    encoded,
    exists,
    not_found,
    opened,
    page_limit,
    stale,
)

_KEY = b"continuations in memory"


@dataclass(frozen=True, slots=True)
class Row:
    """A document as it is kept: its body as JSON."""

    partition: str
    id: str
    kind: str
    body: str
    etag: str
    due_at: float | None
    expires_at: float | None

    def document(self) -> Document:
        body = opened(self.partition, self.id, json.loads(self.body))
        return Document(self.partition, self.id, body, self.etag, self.due_at)


class MemoryResourceStore(ResourceStore):
    """`now` gives Unix seconds. `changed` is told of each partition that was written to."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._partitions: dict[str, dict[str, Row]] = {}
        self._numbers = itertools.count(1)
        self._continuations = Continuations(_KEY)
        self.changed: Callable[[str], None] | None = None

    def copy(self, now: Callable[[], float]) -> Self:
        """A store of its own with the same documents."""
        other = type(self)(now)
        other._partitions = {name: dict(rows) for name, rows in self._partitions.items()}
        other._numbers = itertools.count(next(self._numbers))
        return other

    # -- the port -----------------------------------------------------------------------

    async def get(self, partition: str, id: str) -> Document:
        check_text(partition, id)
        row = self._alive(partition, id)
        if row is None:
            raise not_found(partition, id)
        return row.document()

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        steps = encoded(partition, writes)
        before = self._partitions.get(partition, {})
        after = dict(before)
        written: list[Row] = []
        for step in steps:
            found = self._alive(partition, step.write.id if isinstance(step, Encoded) else step.id)
            if isinstance(step, Delete):
                self._check(partition, step, found)
                del after[step.id]
                continue
            if isinstance(step.write, Replace):
                self._check(partition, step.write, found)
            elif found is not None:
                raise exists(partition, step.write.id)
            row = self._row(partition, step)
            after[row.id] = row
            written.append(row)
        self._partitions[partition] = after
        documents = [row.document() for row in written]
        if self.changed is not None:
            self.changed(partition)
        return documents

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        limit = page_limit(page_size)
        check_text(kind, partition or "")
        check_where(where or {})
        asked = (kind, partition, sorted((where or {}).items()), descending)
        after = None
        if continuation is not None:
            after = self._continuations.read(continuation, asked)
        found: list[Document] = []
        for row in sorted(self._of(kind, partition), key=_place, reverse=descending):
            place = _place(row)
            if after is not None and not (place < after if descending else place > after):
                continue
            if where and not _matches(json.loads(row.body), where):
                continue
            if len(found) == limit:
                last = (found[-1].partition, found[-1].id)
                return Page(found, self._continuations.write(last, asked))
            found.append(row.document())
        return Page(found)

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        async def earliest(count: int) -> list[Row]:
            due = [row for row in self.rows() if row.due_at is not None and row.due_at <= before]
            return sorted(due, key=attrgetter("due_at"))[:count]

        return await due_documents.understood(earliest, Row.document, limit)

    # -- for whoever simulates ----------------------------------------------------------

    def rows(self, partition: str | None = None) -> Iterator[Row]:
        """All that are alive; of one partition, where it is told."""
        now = self._now()
        some = [partition] if partition is not None else list(self._partitions)
        for name in some:
            for row in self._partitions.get(name, {}).values():
                if row.expires_at is None or row.expires_at > now:
                    yield row

    def next_due(self) -> float | None:
        """When the first document falls due."""
        return min((row.due_at for row in self.rows() if row.due_at is not None), default=None)

    def restamp(self, partition: str, id: str) -> None:
        """Somebody writes the document as it is: its ETag moves, and nothing else."""
        row = self._alive(partition, id)
        if row is not None:
            self._partitions[partition][id] = replace(row, etag=self._etag())

    # -- rows ---------------------------------------------------------------------------

    def _alive(self, partition: str, id: str) -> Row | None:
        row = self._partitions.get(partition, {}).get(id)
        if row is None or (row.expires_at is not None and row.expires_at <= self._now()):
            return None
        return row

    def _check(self, partition: str, write: Replace | Delete, found: Row | None) -> None:
        if found is None:
            raise not_found(partition, write.id)
        if write.etag is not None and write.etag != found.etag:
            raise stale(partition, write.id)

    def _row(self, partition: str, step: Encoded) -> Row:
        write = step.write
        expires_at = None if write.ttl is None else self._now() + write.ttl
        kind = write.body["kind"]
        return Row(partition, write.id, kind, step.body, self._etag(), write.due_at, expires_at)

    def _etag(self) -> str:
        return f"{next(self._numbers):x}"

    def _of(self, kind: str, partition: str | None) -> list[Row]:
        return [row for row in self.rows(partition) if row.kind == kind]


def _place(row: Row) -> tuple[str, str]:
    return row.partition, row.id


def _matches(body: Mapping[str, Any], where: Mapping[str, str | int | bool]) -> bool:
    """JSON keeps true, 1 and "1" apart."""
    return all(
        body.get(field) == wanted and isinstance(body[field], bool) is isinstance(wanted, bool)
        for field, wanted in where.items()
    )
