"""Bugs in how drops, schedules, events and endpoints are driven."""

from typing import Any

from domain.drops.blob_drop import BlobDrop
from domain.drops.blob_dropping import BlobDropping
from domain.drops.drop_capture import DropCapture
from domain.events.event_dispatching import Couriers
from domain.ground.outbox import Outbox
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.online import endpoint_checks
from domain.online.online_kind import OnlineKind
from domain.ports import Document, Replace
from domain.provisioning import provisioning
from domain.provisioning.endpoint_saving import EndpointSaving
from domain.schedules.scheduling import Scheduling
from tests.simulation.planted.bug import Bug, Original

DROPS, SCHEDULE, EVENTS, ONLINE = "dropped files", "schedule", "events", "online endpoint"


async def _did_nothing(self: Any, *_: Any, **__: Any) -> None:
    return None


def _without_key(original: Original) -> Any:
    async def invoke(self: JobInvocation, *args: Any, **kwargs: Any) -> Any:
        return await original(self, *args, **{**kwargs, "key": None})

    return invoke


def _drop_closed(original: Original) -> Any:
    def closed(self: BlobDrop, now: float, *, files: int = 0, bytes: int = 0) -> Any:
        return original(self.but(pending=False), now)

    return closed


def _saved_without_etag(original: Original) -> Any:
    async def save(self: Any, document: Document, step: Any, due_at: float | None) -> None:
        find = await self.find(self.message(step.state, None))
        await original(self, find or document, step, due_at)

    return save


def _facts_apart(original: Original) -> Any:
    async def transact(self: Outbox, partition: str, writes: Any, facts: Any = ()) -> Any:
        written = await original(self, partition, writes)
        if facts:
            await original(self, f"{partition}/facts", [], facts)
        return written

    return transact


async def _no_writes(self: Any, *_: Any, **__: Any) -> list[Any]:
    return []


def _without_due(original: Original) -> Any:
    def replaced(resource: Any, document: Document, due_at: float | None = None) -> Replace:
        write: Replace = original(resource, document)
        return write

    return replaced


BUGS = (
    Bug(
        "a drop not marked",
        "its files are taken again",
        DropCapture,
        "mark",
        lambda _: _did_nothing,
        DROPS,
    ),
    Bug(
        "what came meanwhile is forgotten",
        "a drop goes idle over it",
        BlobDrop,
        "closed",
        _drop_closed,
        DROPS,
    ),
    Bug(
        "a drop saved whatever others wrote",
        "no fence",
        BlobDropping,
        "save",
        _saved_without_etag,
        DROPS,
    ),
    Bug(
        "a schedule saved whatever others wrote",
        "no fence",
        Scheduling,
        "save",
        _saved_without_etag,
        SCHEDULE,
    ),
    Bug(
        "a due time without a key",
        "it is met by two jobs",
        JobInvocation,
        "invoke",
        _without_key,
        SCHEDULE,
    ),
    Bug(
        "facts apart from what they tell",
        "a crash between loses them",
        Outbox,
        "transact",
        _facts_apart,
        EVENTS,
    ),
    Bug(
        "couriers that nobody wakes",
        "events wait for ever",
        Couriers,
        "wake",
        lambda _: _did_nothing,
        EVENTS,
    ),
    Bug(
        "an operation left open", "for ever", EndpointSaving, "ended", lambda _: _no_writes, ONLINE
    ),
    Bug(
        "traffic that nobody checks",
        "to what is not there",
        endpoint_checks,
        "traffic_faults",
        lambda _: lambda *_: [],
        ONLINE,
    ),
    Bug(
        "a deployment removed under traffic",
        "nobody asks",
        OnlineKind,
        "check_removable",
        lambda _: lambda *_: None,
        ONLINE,
    ),
    Bug(
        "a wish without a future",
        "its message may be lost",
        provisioning,
        "replaced",
        _without_due,
        ONLINE,
    ),
)
