"""Workers that jobs share which run the same, as the document that all hosts read: who wants them,
which nodes there are, how far they have come."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from pydantic import TypeAdapter

from domain.ports import (
    BlobFolder,
    Cluster,
    InstanceSize,
    Observation,
    Program,
    WorkersWorkload,
    WorkloadState,
)
from infra.compute.remote.serving_record import Leaving, Standing

KIND: Final = "remoteWorkers"
PARTITION: Final = "remoteWorkers"
NONE_YET: Final = Standing()


@dataclass(frozen=True)
class Member:
    """A job that wants `wanted` units run at a time, `since` that time; or a deployment, which
    wants none, but to find everything prepared."""

    key: str
    revision: str
    wanted: int
    since: float


@dataclass(frozen=True)
class PoolNode:
    """One that runs. Units are sent to those that are ready, whose number is below the share; what
    runs on others goes on."""

    id: str
    number: int
    address: str
    ready: bool


@dataclass(frozen=True)
class PoolRecord:
    """`secret` is sealed, and its nodes' own. `share`: as many of its nodes are to be sent units
    now. `used`: when a job last came; `told`: when anybody did, who says how the cluster is.
    `going`: nobody wants it any more, and what there is of it is being ended."""

    name: str
    program: Program
    cluster: Cluster
    output: BlobFolder | None
    group: str
    secret: str
    members: tuple[Member, ...] = ()
    attempt: int = 0
    standing: Standing = NONE_YET
    share: int = 0
    nodes: tuple[PoolNode, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    used: float = 0.0
    told: float = 0.0
    going: bool = False

    @classmethod
    def begin(cls, workload: WorkersWorkload, secret: str) -> Self:
        name = pool_name(workload)
        return cls(
            name,
            workload.program,
            workload.cluster,
            workload.output,
            _group(name),
            secret,
        )

    def joined(self, workload: WorkersWorkload, secret: str, now: float) -> Self:
        """With the job, or deployment; what has failed is tried anew. `secret` is for nodes of
        their own, where those that were there are being ended."""
        old = self.member(workload.key)
        since = old.since if old is not None else now
        new = Member(workload.key, workload.revision, workload.worker_count, since)
        others = tuple(each for each in self.members if each.key != workload.key)
        after = replace(self, members=(*others, new), cluster=workload.cluster, told=now)
        if workload.worker_count:
            after = replace(after, used=now)
        if self.going:
            return replace(
                after,
                group=_group(self.name),
                secret=secret,
                attempt=0,
                standing=NONE_YET,
                nodes=(),
                leaving=(*self.leaving, Leaving(self.group, 0.0)),
                going=False,
            )
        if self.has_failed:
            return replace(after, attempt=self.attempt + 1)
        return after

    def left(self, key: str) -> Self:
        return replace(self, members=tuple(each for each in self.members if each.key != key))

    def member(self, key: str) -> Member | None:
        return next((each for each in self.members if each.key == key), None)

    @property
    def jobs(self) -> tuple[Member, ...]:
        return tuple(each for each in self.members if each.wanted)

    @property
    def size(self) -> InstanceSize:
        """Of each node."""
        return self.cluster.node_size or self.program.size

    @property
    def has_failed(self) -> bool:
        return self.standing.attempt == self.attempt and self.standing.has_failed

    @property
    def is_prepared(self) -> bool:
        return self.standing.attempt == self.attempt and self.standing.prepared

    @property
    def groups(self) -> set[str]:
        return {self.group, *(each.group for each in self.leaving)}

    def observation(self, key: str) -> Observation | None:
        """None for who is no member."""
        member = self.member(key)
        if member is None:
            return None
        ready = sum(node.ready for node in self.nodes) * self.cluster.processes_per_node
        ready, seen = min(ready, member.wanted), self.standing
        state, reason = self._state(member, ready), seen.reason if self.has_failed else None
        if state is WorkloadState.STARTING and self.is_prepared and not self.share:
            reason = "Other jobs hold the compute now."
        code = seen.code if self.has_failed else None
        return Observation(member.revision, state, ready, member.wanted, code, reason)

    def _state(self, member: Member, ready: int) -> WorkloadState:
        if self.has_failed:
            return WorkloadState.FAILED
        if not self.is_prepared:
            return WorkloadState.BUILDING
        if not member.wanted:
            return WorkloadState.READY
        there = min(member.wanted, self.share * self.cluster.processes_per_node)
        return WorkloadState.READY if there and ready >= there else WorkloadState.STARTING

    # -- as a document

    def to_body(self) -> dict[str, Any]:
        return {"kind": KIND, **_RECORD.dump_python(self, mode="json")}

    @staticmethod
    def from_body(body: dict[str, Any]) -> "PoolRecord":
        return _RECORD.validate_python({k: v for k, v in body.items() if k != "kind"})


_RECORD: Final = TypeAdapter(PoolRecord)


def pool_name(workload: WorkersWorkload) -> str:
    """The same for jobs whose nodes would be the same."""
    program, cluster = workload.program, workload.cluster
    variables = sorted(program.environment_variables.items())
    program = replace(program, environment_variables={})
    where = cluster.name, cluster.processes_per_node, cluster.node_size
    text = f"{program!r} {variables!r} {where!r} {workload.output!r}"
    return "pool-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _group(name: str) -> str:
    """Another one than any before it."""
    return f"batch-{name.removeprefix('pool-')}-{secrets.token_hex(3)}"
