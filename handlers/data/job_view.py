"""A batch job as ARM shows it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from domain.assets.datastore import DEFAULT
from domain.jobs.batch_jobs import JobView
from domain.jobs.records.batch_job import BatchJob, InputKind, JobInput
from domain.jobs.records.job_pace import Pace
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.names import PROVIDER
from handlers import wire
from handlers.http import Routes

Spelling = Callable[[str], str]


def render_job(routes: Routes, arm_id: str, view: JobView, spell: Spelling = str) -> dict[str, Any]:
    """`jobType` is what Azure ML gives to the jobs of batch endpoints. `spell` is how the
    plane that is asked spells the types of inputs and outputs."""
    job = view.job
    status = status_url(routes, job)
    services = {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": status},
        "Studio": {"jobServiceType": "Studio", "endpoint": routes.absolute(arm_id)},
    }
    outputs = _outputs(job, view.progress, spell)
    if spell is arm_spelling:
        outputs |= _default(job)
    return {
        "id": arm_id,
        "name": job.name,
        "type": f"{PROVIDER}/workspaces/jobs",
        "properties": {
            "jobType": "Pipeline",
            "status": job.status.value,
            "displayName": job.display_name,
            "experimentName": job.experiment_name,
            "description": job.description,
            "tags": job.tags,
            "properties": job.properties,
            "services": services,
            "interactionEndpoints": services,
            "inputs": {each.name: _input(each, spell) for each in job.inputs},
            "outputs": outputs,
            "settings": _settings(job),
            "progress": progress_of(view),
            "error": wire.to_wire(job.error) if job.error else None,
            "isArchived": job.is_archived,
            "retryOf": job.retry.job if job.retry else None,
            "endpointName": job.endpoint,
            "deploymentName": job.deployment,
            "startTime": job.started_at.isoformat() if job.started_at else None,
            "endTime": job.ended_at.isoformat() if job.ended_at else None,
        },
        "systemData": {
            "createdAt": job.created_at.isoformat(),
            "createdBy": job.created_by,
            "createdByType": "Application",
        },
    }


def status_url(routes: Routes, job: BatchJob) -> str:
    """Where its invoker asks how far it is."""
    return routes.absolute(f"/endpoints/{quote(job.endpoint)}/jobs/{quote(job.name)}")


_SHOWN_AS = {InputKind.DROP: InputKind.FOLDER, InputKind.WEB_FILE: InputKind.FILE}


def _input(input: JobInput, spell: Spelling) -> dict[str, Any]:
    shown: dict[str, Any] = {"jobInputType": spell(shown_kind(input)), "uri": input.shown_uri}
    for name, globs in (("include", input.include), ("exclude", input.exclude)):
        if globs:
            shown[name] = list(globs)
    if input.inventory is not None:
        shown["inventory"] = input.inventory.uri
    return shown


def shown_kind(input: JobInput) -> str:
    """A drop's files are a folder's, for whoever reads the job."""
    return _SHOWN_AS.get(input.kind, input.kind).value


def arm_spelling(kind: str) -> str:
    """`UriFolder`, as the data plane has it, in the control plane's words: `uri_folder`."""
    return "uri_" + kind.removeprefix("Uri").lower()


def _outputs(job: BatchJob, progress: Progress | None, spell: Spelling) -> dict[str, Any]:
    """The paths stand from the start; what is at them is whole once the job is Completed."""
    folder = "UriFolder" if not job.writes_rows or job.writes_parts else "UriFile"
    outputs: dict[str, Any] = {
        "score": {
            "jobOutputType": spell(folder),
            "uri": output_uri(job),
            "isComplete": job.status is JobStatus.COMPLETED,
        },
        "logs": {"jobOutputType": spell("UriFolder"), "uri": _uri(job.logs_folder)},
    }
    if progress is not None and progress.tally.failed_files and job.status.is_terminal:
        outputs["failedFiles"] = {
            "jobOutputType": spell("UriFile"),
            "uri": _uri(job.results.failures_path),
        }
    if job.output != job.results:
        outputs["retried"] = {"jobOutputType": spell(folder), "uri": _uri(job.output.path)}
    return outputs


def output_uri(job: BatchJob) -> str:
    """Where the rows, or what the script wrote, are."""
    return _uri(job.results.path if job.writes_rows else job.results.folder)


def _default(job: BatchJob) -> dict[str, Any]:
    """What the SDK downloads of a job of which it is told no output: its logs. It takes a
    `uri_folder` of this name for a store that it may list and sign for itself."""
    return {"default": {"jobOutputType": "custom_model", "uri": _uri(job.logs_folder)}}


def output_uris(view: JobView) -> dict[str, tuple[str, str]]:
    """The type and the place of each output, by its name; `default` are the logs."""
    found = _outputs(view.job, view.progress, arm_spelling)
    told = {name: (each["jobOutputType"], each["uri"]) for name, each in found.items()}
    return {**told, "default": told["logs"]}


def _uri(path: str) -> str:
    return f"azureml://datastores/{DEFAULT}/paths/{path}"


def _settings(job: BatchJob) -> dict[str, Any]:
    """What the job runs with, its overrides included."""
    settings = wire.to_wire(job.settings)
    shown = (
        "miniBatchBy",
        "miniBatchSize",
        "errorThreshold",
        "retrySettings",
        "maxConcurrencyPerInstance",
        "outputAction",
        "outputFileName",
        "outputFormat",
        "provenanceColumns",
        "bisectFailures",
        "loggingLevel",
        "resources",
    )
    return {name: settings[name] for name in shown}


def progress_of(view: JobView) -> dict[str, Any] | None:
    """Of files that were cut into pieces, the pieces are counted. Rates are those of the last
    stretch, null while they are not known."""
    progress, pace, plan = view.progress, view.pace, view.job.plan
    if progress is None or plan is None:
        return None
    tally = progress.tally
    done = tally.succeeded_mini_batches + tally.failed_mini_batches
    return {
        "totalFiles": plan.whole_and_cut_files,
        "succeededFiles": tally.succeeded_files - tally.succeeded_pieces,
        "failedFiles": tally.failed_files - tally.failed_pieces,
        "filesInPieces": plan.cut_files,
        "totalPieces": plan.pieces,
        "succeededPieces": tally.succeeded_pieces,
        "failedPieces": tally.failed_pieces,
        "totalMiniBatches": progress.mini_batches,
        "succeededMiniBatches": tally.succeeded_mini_batches,
        "failedMiniBatches": tally.failed_mini_batches,
        "remainingMiniBatches": progress.mini_batches - done,
        "inFlight": len(progress.in_flight),
        "rows": tally.rows,
        "miniBatchesPerSecond": round(pace.mini_batches_per_second, 3) if pace else None,
        "filesPerSecond": round(pace.files_per_second, 3) if pace else None,
        "estimatedEndTime": _estimated_end(view.at, pace) if pace else None,
    }


def _estimated_end(at: datetime, pace: Pace) -> str | None:
    """None where it is beyond all calendars."""
    try:
        return (at + timedelta(seconds=round(pace.seconds_left))).isoformat()
    except OverflowError:
        return None
