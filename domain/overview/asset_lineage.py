"""What used a version of an asset, and what made it; what a job ran, read and left behind."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.assets.asset import DATA, MODELS, AssetKind, AssetVersion
from domain.assets.asset_documents import entity
from domain.assets.asset_registration import AssetRegistration
from domain.assets.releasing.asset_release import overlap
from domain.assets.using.asset_use import names
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.errors import Invalid, NotFound
from domain.inbound.event_mapping import KIND as EVENT_MAPPING
from domain.jobs.job_output_places import places_of
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob, JobInput
from domain.jobs.records.job_store import JobStore
from domain.names import WorkspaceScope
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.ports import Document, Json, ResourceStore, all_documents
from domain.schedules.schedule import KIND as SCHEDULE

_LOOKED_AT = 2000
"""Documents for one page, so that none takes long, however many there are of what does not fit."""
_AT_ONCE = 200
_JOB_OUTPUT = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/")


class Relation(StrEnum):
    MADE_BY = "MadeBy"
    USED_BY = "UsedBy"


class UserKind(StrEnum):
    ONLINE_DEPLOYMENT = "OnlineDeployment"
    BATCH_DEPLOYMENT = "BatchDeployment"
    SCHEDULE = "Schedule"
    EVENT_MAPPING = "EventMapping"
    JOB = "Job"


_STORED = {
    UserKind.ONLINE_DEPLOYMENT: ONLINE_DEPLOYMENT,
    UserKind.BATCH_DEPLOYMENT: BATCH_DEPLOYMENT,
    UserKind.SCHEDULE: SCHEDULE,
    UserKind.EVENT_MAPPING: EVENT_MAPPING,
    UserKind.JOB: batch_job.KIND,
}
"""In the order in which they are told."""


@dataclass(frozen=True)
class LineageEntry:
    """One user of a version, or what made it. `place` is its path below the workspace; `read` and
    `scope` say who may know of it. `inputs` are a job's."""

    relation: Relation
    kind: UserKind
    place: tuple[str, ...]
    read: str
    scope: str
    endpoint: str | None = None
    state: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    inputs: Sequence[JobInput] = ()

    @property
    def name(self) -> str:
        return self.place[-1]


@dataclass(frozen=True)
class JobLineage:
    """`registered` are the versions whose files the job wrote, as collection, name, version."""

    job: BatchJob
    registered: Sequence[tuple[str, str, str]]


class AssetLineage:
    """A job names the versions that it ran and read for as long as it is there; a deployment, a
    schedule and a mapping those that they name now."""

    def __init__(
        self,
        store: ResourceStore,
        jobs: JobStore,
        assets: AssetRegistration,
        scope: WorkspaceScope,
    ) -> None:
        self._store = store
        self._assets = assets
        self._scope = scope
        self._jobs = jobs

    async def of_version(
        self, kind: AssetKind, name: str, version: str, top: int, continuation: str | None
    ) -> tuple[list[LineageEntry], str | None]:
        """A page, which may be short of `top` or empty and yet have another after it. Raises
        NotFound, and Invalid for a continuation of no such list."""
        found = (await self._assets.version(kind, name, version)).asset
        at, after = _read(continuation)
        entries = [] if continuation else [e async for e in self._makers(kind, found)]
        looked_at, kinds = 0, list(_STORED)
        while at < len(kinds):
            left = min(_AT_ONCE, top - len(entries), _LOOKED_AT - looked_at)
            if left <= 0:
                return entries, f"{at}.{after or ''}"
            page = await self._store.query(
                _STORED[kinds[at]], page_size=left, continuation=after or None
            )
            looked_at += left
            for document in page.documents:
                body = _body(kinds[at], document)
                if names(self._scope, body, kind.plural, found.name, found.version):
                    entries.append(_entry(kinds[at], document))
            after = page.continuation
            if after is None:
                at += 1
        return entries, None

    async def of_job(self, name: str) -> JobLineage:
        """Raises NotFound."""
        stored = await self._jobs.job(name)
        if stored is None:
            raise NotFound(f"Job '{name[:100]}' was not found.")
        registered: list[tuple[str, str, str]] = []
        for kind in (MODELS, DATA):
            async for document in all_documents(self._store, kind.version_kind):
                version = entity(kind.version, document)
                if self._is_from(version, kind, stored.job):
                    registered.append((kind.plural, version.name, version.version))
        return JobLineage(stored.job, registered)

    async def _makers(self, kind: AssetKind, version: AssetVersion) -> AsyncIterator[LineageEntry]:
        """The job that is named, and the one in whose output the files are."""
        named = _job_of(kind, version)
        folder = getattr(version, "folder", None)
        below = folder.path.split("/") if folder is not None else []
        candidates = [named] if named else []
        if len(below) > 1 and below[0] == "azureml":
            candidates.append(below[1])
        for candidate in dict.fromkeys(candidates):
            stored = await self._jobs.job(candidate)
            if stored is not None and (
                candidate == named or self._is_from(version, kind, stored.job)
            ):
                yield _of_job(Relation.MADE_BY, stored.job)
            elif candidate == named:
                # It is gone, or was run elsewhere.
                place = ("jobs", candidate)
                yield LineageEntry(Relation.MADE_BY, UserKind.JOB, place, "jobs/read", "")

    def _is_from(self, version: AssetVersion, kind: AssetKind, job: BatchJob) -> bool:
        folder = getattr(version, "folder", None)
        if _job_of(kind, version) == job.name:
            return True
        return folder is not None and overlap(folder, places_of(job)["score"])


def _job_of(kind: AssetKind, version: AssetVersion) -> str | None:
    """The job that a version says it is of."""
    uri = getattr(version.properties, kind.uri) if kind.uri else ""
    if (found := _JOB_OUTPUT.match(uri)) is not None:
        return found["job"]
    job: str | None = getattr(version.properties, "job_name", None)
    return job


def _body(kind: UserKind, document: Document) -> Json:
    """What of it may name a version."""
    if kind is not UserKind.JOB:
        resource: Json = document.body["resource"]
        return resource
    job = document.body["job"]
    return {"settings": job["settings"], "inputs": job["inputs"]}


def _entry(kind: UserKind, document: Document) -> LineageEntry:
    if kind is UserKind.JOB:
        return _of_job(Relation.USED_BY, batch_job.from_document(document))
    resource = document.body["resource"]
    name, endpoint = resource["name"], resource.get("endpoint")
    collection = {
        UserKind.ONLINE_DEPLOYMENT: "onlineEndpoints",
        UserKind.BATCH_DEPLOYMENT: "batchEndpoints",
        UserKind.SCHEDULE: "schedules",
        UserKind.EVENT_MAPPING: "eventMappings",
    }[kind]
    is_deployment = endpoint is not None
    return LineageEntry(
        relation=Relation.USED_BY,
        kind=kind,
        place=(collection, endpoint, "deployments", name) if is_deployment else (collection, name),
        read=f"{collection}/deployments/read" if is_deployment else f"{collection}/read",
        scope=f"{collection}/{endpoint}" if is_deployment else "",
        endpoint=endpoint or resource["properties"].get("endpoint_name"),
        state=resource.get("provisioning_state"),
        created_at=datetime.fromisoformat(resource["created_at"]),
        created_by=resource["created_by"],
    )


def _of_job(relation: Relation, job: BatchJob) -> LineageEntry:
    return LineageEntry(
        relation=relation,
        kind=UserKind.JOB,
        place=("jobs", job.name),
        read="jobs/read",
        scope=f"batchEndpoints/{job.endpoint}",
        endpoint=job.endpoint,
        state=job.status.value,
        created_at=job.created_at,
        created_by=job.created_by,
        inputs=job.inputs,
    )


def _read(continuation: str | None) -> tuple[int, str | None]:
    if continuation is None:
        return 0, None
    at, dot, after = continuation.partition(".")
    if not dot or not at.isascii() or not at.isdigit() or int(at[:3]) >= len(_STORED):
        raise Invalid("This $skip was not given by a nextLink of this list.", target="$skip")
    return int(at[:3]), after or None
