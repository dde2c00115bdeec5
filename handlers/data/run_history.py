"""Jobs where azure-ai-ml looks for them beside the control plane: in Azure ML's run history.

A job is one run, and its own only child: what has the steps of Azure ML's batch jobs in it is
here the job itself.
"""

from typing import Any
from urllib.parse import quote

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.resource import StringMap, Tags, Text
from domain.jobs.batch_jobs import BatchJobs, JobView
from domain.jobs.job_change import JobChange
from domain.jobs.job_logs import JobLogs
from domain.jobs.records.batch_job import BatchJob
from domain.values import Value
from handlers import wire
from handlers.auditing import Kept
from handlers.data.job_view import output_uris
from handlers.http import WORKSPACE_ROUTE, Routes, json_response

BASE = f"history/v1.0/{WORKSPACE_ROUTE}"
DATA_BASE = f"data/v1.0/{WORKSPACE_ROUTE}"
_RUN = "runs/{run}"
_STEP = "batchscoring"


class RunChange(Value):
    """Of a run, as the SDK asks for it."""

    run_id: str | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: Tags | None = None
    properties: StringMap | None = None
    hidden: bool | None = None

    def of_job(self) -> JobChange:
        return JobChange(
            display_name=self.display_name,
            description=self.description,
            tags=self.tags or {},
            properties=self.properties or {},
            is_archived=self.hidden,
        )


class RunAsked(Value):
    run_id: str
    select_run_metadata: bool | None = None
    select_run_definition: bool | None = None
    select_job_specification: bool | None = None


class UrisAsked(Value):
    values: tuple[str, ...]


def blueprint(routes: Routes, jobs: BatchJobs, logs: JobLogs) -> func.Blueprint:
    bp = func.Blueprint()
    _add_reading(routes, bp, jobs, logs)
    _add_changing(routes, bp, jobs)
    _add_outputs(routes, bp, jobs)
    return bp


def _add_reading(routes: Routes, bp: func.Blueprint, jobs: BatchJobs, logs: JobLogs) -> None:
    @routes.arm(bp, "GET", _RUN, base=BASE, action="jobs/read", summary="Read a job as a run")
    async def get_run(req: Request) -> Response:
        return json_response(_run(routes, await jobs.get(req.path_params["run"])))

    @routes.arm(
        bp,
        "GET",
        f"{_RUN}/details",
        base=BASE,
        action="jobs/read",
        summary="Read how far a job is as a run, with its logs",
    )
    async def get_run_details(req: Request) -> Response:
        # Logs first: those of a job that is then found to have ended are whole.
        files = await logs.urls(req.path_params["run"])
        view = await jobs.get(req.path_params["run"])
        body = {**_run(routes, view), "logFiles": dict(files)}
        return json_response(body, headers={"Cache-Control": "no-store"})

    @routes.arm(
        bp,
        "GET",
        f"{_RUN}/children",
        base=BASE,
        action="jobs/read",
        summary="List: the one step of a job, which is the job itself",
        lists=True,
    )
    async def list_run_children(req: Request) -> Response:
        view = await jobs.get(req.path_params["run"])
        child = {**_run(routes, view), "parentRunId": view.job.name, "displayName": _STEP}
        return routes.page(req, [child], None)

    @routes.arm(
        bp,
        "GET",
        f"{_RUN}/serviceinstances/{{node}}",
        base=BASE,
        action="jobs/read",
        summary="The services on a node of a job: there are none",
    )
    async def get_run_services(req: Request) -> Response:
        await jobs.get(req.path_params["run"])
        return json_response({"instances": {}})


def _add_changing(routes: Routes, bp: func.Blueprint, jobs: BatchJobs) -> None:
    async def change(req: Request) -> Response:
        asked = await wire.read(req, RunChange)
        return json_response(
            _run(routes, await jobs.change(req.path_params["run"], asked.of_job()))
        )

    for path, name in (
        (f"experiments/{{experiment}}/{_RUN}", "patch_run_of_experiment"),
        (_RUN, "patch_run"),
    ):
        routes.arm(
            bp,
            "PATCH",
            path,
            base=BASE,
            name=name,
            action="jobs/write",
            summary="Change what is said of a job, or archive it",
            body=RunChange,
        )(change)


def _add_outputs(routes: Routes, bp: func.Blueprint, jobs: BatchJobs) -> None:
    @routes.arm(
        bp,
        "POST",
        "rundata",
        base=BASE,
        action="jobs/read",
        summary="Read a job as a run, with its outputs",
        kept=Kept.NOTHING,
        body=RunAsked,
    )
    async def get_run_data(req: Request) -> Response:
        asked = await wire.read(req, RunAsked)
        return json_response({"runMetadata": _run(routes, await jobs.get(asked.run_id))})

    @routes.arm(
        bp,
        "POST",
        "dataversion/batchGetResolvedUris",
        base=DATA_BASE,
        action="jobs/read",
        summary="Where outputs of runs are, by the ids that runs tell",
        kept=Kept.NOTHING,
        body=UrisAsked,
    )
    async def get_output_uris(req: Request) -> Response:
        asked = await wire.read(req, UrisAsked)
        found = {each: {"uri": each, "type": "UriFolder"} for each in asked.values}
        return json_response({"values": found})


def _run(routes: Routes, view: JobView) -> dict[str, Any]:
    job = view.job
    return {
        "runId": job.name,
        "rootRunId": job.name,
        "status": job.status.value,
        "displayName": job.display_name,
        "description": job.description,
        "experimentId": job.experiment_name,
        "runType": "azureml.PipelineRun",
        "createdUtc": job.created_at.isoformat(),
        "startTimeUtc": job.started_at.isoformat() if job.started_at else None,
        "endTimeUtc": job.ended_at.isoformat() if job.ended_at else None,
        "tags": job.tags,
        "properties": job.properties,
        "hidden": job.is_archived,
        "error": _error(job),
        "services": _services(routes, job),
        "outputs": {
            name: {"assetId": uri, "type": kind} for name, (kind, uri) in output_uris(view).items()
        },
    }


def _services(routes: Routes, job: BatchJob) -> dict[str, Any]:
    studio = routes.absolute(routes.scope.path("jobs", quote(job.name)))
    return {"Studio": {"type": "Studio", "endpoint": studio}}


def _error(job: BatchJob) -> dict[str, Any] | None:
    if job.error is None:
        return None
    told = {"code": job.error.code, "message": job.error.message, "target": job.error.target}
    return {"error": told}
