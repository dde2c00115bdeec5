"""What is wanted under one key, and how far it has come: the document that hosts share."""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from pydantic import TypeAdapter

from domain.ports import ServingObservation, ServingWorkload, WorkloadState

KIND: Final = "remoteServing"
_PARTITION: Final = "remoteCompute"


def partition_of(key: str) -> str:
    """Deployments of one endpoint share it, with the list of who is ready."""
    return f"{_PARTITION}/{key.rpartition('/')[0]}"


def document_id_of(key: str) -> str:
    return f"serving:{key.rpartition('/')[2]}"


@dataclass(frozen=True)
class Standing:
    """What the keeper last saw of a revision's nodes, at an attempt. `proven`: some node of theirs
    has been ready, so that one that does not answer is the platform's trouble, and is replaced."""

    attempt: int = 0
    prepared: bool = False
    ready: int = 0
    code: str | None = None
    reason: str | None = None
    proven: bool = False

    @property
    def has_failed(self) -> bool:
        return self.reason is not None


@dataclass(frozen=True)
class Revision:
    """One that is to run. `secret` is sealed, and its nodes' own. `trace` is that of the request
    that asked for it last."""

    workload: ServingWorkload
    group: str
    secret: str
    attempt: int = 0
    standing: Standing = Standing()
    trace: str = ""

    @classmethod
    def begin(cls, workload: ServingWorkload, secret: str, trace: str) -> Self:
        """Its group is another one than any before it, also of the same revision."""
        readable = re.sub(r"[^a-z0-9]+", "-", workload.key.partition("/")[2].lower())[:22]
        tag = hashlib.sha256(workload.revision.encode()).hexdigest()[:6]
        group = f"{readable.strip('-')}-{tag}-{secrets.token_hex(3)}"
        return cls(workload, group, secret, trace=trace)

    @property
    def state(self) -> WorkloadState:
        seen = self.standing
        if seen.attempt != self.attempt:
            return WorkloadState.BUILDING
        if seen.has_failed:
            return WorkloadState.FAILED
        if not seen.prepared:
            return WorkloadState.BUILDING
        is_there = seen.ready >= self.workload.instance_count
        return WorkloadState.READY if is_there else WorkloadState.STARTING


@dataclass(frozen=True)
class Leaving:
    """A group that is to go; what is under way there has `grace` seconds. `trace` is that of
    the request that wanted it."""

    group: str
    grace: float
    trace: str = ""


@dataclass(frozen=True)
class ServingRecord:
    """`revisions` are one, or the one that serves and the one rolled out beside it; none once
    the key is to go. `served`: some instance has taken requests."""

    key: str
    revisions: tuple[Revision, ...]
    leaving: tuple[Leaving, ...] = ()
    served: bool = False

    @property
    def newest(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def serves(self) -> Revision | None:
        """Whose nodes take requests, once they are ready."""
        return self.revisions[0] if self.revisions else None

    @property
    def groups(self) -> set[str]:
        return {r.group for r in self.revisions} | {each.group for each in self.leaving}

    def with_standing(self, group: str, standing: Standing) -> Self:
        told = tuple(
            replace(each, standing=standing) if each.group == group else each
            for each in self.revisions
        )
        return replace(self, revisions=told)

    def without(self, revision: Revision, grace: float) -> Self:
        """A revision of it goes."""
        rest = tuple(each for each in self.revisions if each.group != revision.group)
        leaving = Leaving(revision.group, grace, revision.trace)
        return replace(self, revisions=rest, leaving=(*self.leaving, leaving))

    def observation(self) -> ServingObservation | None:
        """None for one that is going."""
        newest, serves = self.newest, self.serves
        if newest is None or serves is None:
            return None
        seen = newest.standing
        is_current = seen.attempt == newest.attempt
        wanted = newest.workload.instance_count
        return ServingObservation(
            revision=newest.workload.revision,
            state=newest.state,
            ready=min(seen.ready, wanted) if is_current else 0,
            wanted=wanted,
            code=seen.code if is_current else None,
            reason=seen.reason if is_current else None,
            serving=serves.standing.ready > 0,
            served=self.served,
        )

    # -- as a document

    def to_body(self) -> dict[str, Any]:
        return {"kind": KIND, **_RECORD.dump_python(self, mode="json")}

    @staticmethod
    def from_body(body: dict[str, Any]) -> "ServingRecord":
        return _RECORD.validate_python({k: v for k, v in body.items() if k != "kind"})


_RECORD: Final = TypeAdapter(ServingRecord)
