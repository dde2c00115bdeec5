"""Where a job's results go, and that no two jobs write to one place."""

import hashlib
from contextlib import suppress

from domain.assets.datastore import DEFAULT, INBOX, kind_of, locate
from domain.assets.naming_rights import NamingRights
from domain.batch.batch_deployment import BatchDeploymentProperties, OutputAction
from domain.errors import (
    BlobNotFound,
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    DomainError,
    StaleETag,
)
from domain.ground.driving.driver import RACES
from domain.jobs.records.batch_job import DOCUMENT_ID, BatchJob, JobOutput, from_document, partition
from domain.jobs.records.job_request import JobProperties, RequestedOutput
from domain.names import WorkspaceScope, file_name_fault
from domain.ports import BlobFolder, BlobStore, Clock, Create, Delete, Replace, ResourceStore

_RESERVATION_KIND = "outputReservation"
_RESERVATION_ID = "reservation"
_UNBORN = 60.0
"""Seconds for which a reservation stands though its job has not been saved yet."""


def default_output(job: str, file_name: str) -> JobOutput:
    return JobOutput(
        container=DEFAULT, folder=f"azureml/{job}/score", file_name=file_name, is_own_folder=True
    )


def output_of(
    job: str,
    asked: JobProperties,
    settings: BatchDeploymentProperties,
    scope: WorkspaceScope,
    blobs: BlobStore,
    rights: NamingRights,
    faults: list[Detail],
) -> JobOutput:
    """Where the request wants the results, if `rights` have it; what is wrong with that joins
    `faults`."""
    name = settings.results_name
    if fault := file_name_fault(name):
        faults.append(Detail("BadArgument", fault, "properties.outputFileName"))
    default = default_output(job, name)
    if len(asked.output_data) > 1 or (asked.output_data and asked.output_dataset):
        faults.append(
            Detail(
                "BadArgument",
                "A model deployment has exactly one output.",
                "properties.outputData",
            )
        )
        return default
    asked_output, target = _asked_output(asked)
    if asked_output is None or asked_output.uri is None:
        return default
    try:
        place = locate(asked_output.uri, scope, blobs, target=f"{target}.uri")
    except DomainError as error:
        faults.append(Detail(error.code, error.message, f"{target}.uri"))
        return default
    if not rights.may_write_to(place.container, f"{target}.uri"):
        return default
    fault = _place_fault(place)
    if fault:
        faults.append(Detail("BadArgument", fault, f"{target}.uri"))
        return default
    kind = asked_output.job_output_type.casefold().replace("_", "")
    if kind not in ("urifile", "urifolder"):
        faults.append(
            Detail(
                "BadArgument",
                f"'{asked_output.job_output_type[:40]}' is not an output type; use UriFile or "
                "UriFolder.",
                f"{target}.jobOutputType",
            )
        )
    if kind == "urifile" and settings.output_action is OutputAction.APPEND_ROW:
        return _file(place)
    return JobOutput(
        container=place.container, folder=place.path, file_name=name, is_own_folder=False
    )


def _asked_output(asked: JobProperties) -> tuple[RequestedOutput | None, str]:
    """The one output that is asked for, and where the request names it."""
    if (folder := asked.output_dataset) is not None:
        datastore = folder.datastore_id or f"azureml://datastores/{DEFAULT}"
        uri = f"{datastore.rstrip('/')}/paths/{(folder.path or '').lstrip('/')}"
        return RequestedOutput(job_output_type="UriFolder", uri=uri), "properties.outputDataset"
    for name, output in asked.output_data.items():
        return output, f"properties.outputData.{name}"
    return None, ""


def _place_fault(place: BlobFolder) -> str | None:
    if place.container == INBOX:
        return (
            "Results cannot go into the inbox: they would be taken for new input. "
            f"Name a path of the datastore '{DEFAULT}'."
        )
    if place.container != DEFAULT:
        return f"Results can go to the datastore '{DEFAULT}' only, not to '{place.container}'."
    if not place.path:
        return "Name a path below the datastore, not the datastore itself."
    return None


def _file(place: BlobFolder) -> JobOutput:
    folder, _, name = place.path.rpartition("/")
    return JobOutput(container=place.container, folder=folder, file_name=name, is_own_folder=False)


class OutputReservations:
    """At most one job that has not ended holds a place."""

    def __init__(self, store: ResourceStore, blobs: BlobStore, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def reserve(self, job: BatchJob) -> None:
        """Raises OutputInUse when something is there or another job is to write there."""
        for output in dict.fromkeys((job.results, job.output)):
            if not output.is_own_folder:
                await self._refuse_below_a_file(output)
        for place in _places(job):
            await self._reserve(job.name, place)

    async def _reserve(self, job: str, place: BlobFolder) -> None:
        if await kind_of(place, self._blobs) is not None:
            raise OutputInUse(f"Something is at '{place.container}/{place.path}' already.")
        where, body = _partition(place), self._body(job)
        try:
            await self._store.transact(where, [Create(_RESERVATION_ID, body)])
        except DocumentExists:
            await self._displace(where, job, place)

    async def _refuse_below_a_file(self, output: JobOutput) -> None:
        segments = output.folder.split("/") if output.folder else []
        for depth in range(1, len(segments) + 1):
            name = "/".join(segments[:depth])
            with suppress(BlobNotFound):
                await self._blobs.properties(output.container, name)
                raise OutputInUse(
                    f"'{output.container}/{name}' is a file, so nothing can be written below it."
                )

    async def _displace(self, where: str, job: str, place: BlobFolder) -> None:
        taken = OutputInUse(f"Another job is to write to '{place.container}/{place.path}'.")
        try:
            found = await self._store.get(where, _RESERVATION_ID)
        except DocumentNotFound:
            raise taken from None
        if found.body["job"] == job:
            return
        age = self._clock.now().timestamp() - found.body["at"]
        if await self._lives(found.body["job"], unborn=age < _UNBORN):
            raise taken
        try:
            await self._store.transact(
                where, [Replace(_RESERVATION_ID, self._body(job), found.etag)]
            )
        except (StaleETag, DocumentNotFound):
            raise taken from None

    async def _lives(self, job: str, *, unborn: bool) -> bool:
        try:
            found = from_document(await self._store.get(partition(job), DOCUMENT_ID))
        except DocumentNotFound:
            return unborn
        return not found.status.is_terminal

    async def free(self, job: BatchJob) -> None:
        """Give its places back; what the job has written guards itself by being there."""
        for place in _places(job):
            await self._free(job.name, place)

    async def _free(self, job: str, place: BlobFolder) -> None:
        where = _partition(place)
        for _ in range(RACES):
            try:
                found = await self._store.get(where, _RESERVATION_ID)
                if found.body["job"] == job:
                    await self._store.transact(where, [Delete(_RESERVATION_ID, found.etag)])
            except DocumentNotFound:
                return
            except StaleETag:
                continue  # Another job's by now, or still this one's.
            return

    def _body(self, job: str) -> dict[str, object]:
        return {"kind": _RESERVATION_KIND, "job": job, "at": self._clock.now().timestamp()}


def _places(job: BatchJob) -> list[BlobFolder]:
    """What nobody else may write to: files, or whole folders where scripts write their own."""
    outputs = dict.fromkeys((job.results, job.output))
    return [
        BlobFolder(each.container, each.path if job.writes_rows else each.folder)
        for each in outputs
    ]


class OutputInUse(Conflict):
    code = "OutputInUse"

    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message} Choose another output path, or remove what is there.",
            target="properties.outputData",
        )


def _partition(place: BlobFolder) -> str:
    name = f"{place.container}/{place.path}".encode()
    return f"outputs/{hashlib.sha256(name).hexdigest()[:32]}"
