"""Batch jobs on the control plane, and what the body of an invocation may hold."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Invalid
from domain.jobs.batch_jobs import BatchJobs, JobView
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records.job_request import (
    JobProperties,
    JobRequest,
    RequestedCompute,
    RequestedDataset,
    RetryRequest,
)
from handlers import wire
from handlers.auditing import began
from handlers.data import job_queries
from handlers.data.job_view import arm_spelling, render_job, status_url
from handlers.http import WORKSPACE_ROUTE, Routes, caller, json_response, paging

DEPLOYMENT_HEADER = "azureml-model-deployment"
SDK_PREFIX = "mferp/managementfrontend/"
"""Stands before the workspace's path where azure-ai-ml lists a batch endpoint's jobs."""
KEY_HEADERS = ("idempotency-key", "repeatability_request-id", "repeatability-request-id")

ARM_FIELDS: wire.ArmFields = {
    JobProperties: wire.OtherFields(
        read_only=("status", "provisioningState", "interactionEndpoints", "output"),
        refused={
            "partitionKeys": "Partitioning by keys is for parallel jobs over tables; "
            "files are cut by miniBatchSize.",
            "labelConfiguration": "Labels are not part of scoring.",
        },
    ),
    RequestedCompute: wire.OtherFields(read_only=("location", "properties", "isLocal", "target")),
    RequestedDataset: wire.OtherFields(read_only=("datasetProperties",)),
    RetryRequest: wire.OtherFields(read_only=("id", "name", "type", "systemData")),
    JobRequest: wire.OtherFields(read_only=("id", "name", "type", "systemData")),
}


def blueprint(routes: Routes, invocation: JobInvocation, jobs: BatchJobs) -> func.Blueprint:
    bp = func.Blueprint()
    _add_reading(routes, bp, jobs)
    _add_actions(routes, bp, invocation, jobs)
    return bp


def _arm(routes: Routes, jobs: BatchJobs, view: JobView) -> dict[str, Any]:
    return render_job(routes, jobs.arm_id(view.job.name), view, arm_spelling)


def _add_reading(routes: Routes, bp: func.Blueprint, jobs: BatchJobs) -> None:
    def render(view: JobView) -> dict[str, Any]:
        return _arm(routes, jobs, view)

    async def page(req: Request, endpoint: str | None) -> Response:
        asked = paging(req)
        found, continuation = await jobs.list(
            asked.top, asked.continuation, endpoint=endpoint, status=job_queries.status(req)
        )
        return routes.page(req, [render(view) for view in found], continuation)

    @routes.arm(bp, "GET", "jobs/{job}", action="jobs/read", summary="Read a job")
    async def get_job(req: Request) -> Response:
        view = await jobs.get(req.path_params["job"])
        return json_response(render(view), headers={"ETag": view.etag})

    @routes.arm(
        bp,
        "GET",
        "jobs",
        action="jobs/read",
        summary="List jobs",
        lists=True,
        query=job_queries.QUERY,
    )
    async def list_jobs(req: Request) -> Response:
        return await page(req, None)

    @routes.arm(
        bp,
        "GET",
        "batchEndpoints/{endpoint}/jobs",
        action="batchEndpoints/jobs/read",
        summary="List the jobs of a batch endpoint",
        lists=True,
        query=job_queries.QUERY,
    )
    async def list_batch_endpoint_jobs(req: Request) -> Response:
        return await page(req, req.path_params["endpoint"])

    @routes.arm(
        bp,
        "GET",
        "batchEndpoints/{endpoint}/jobs",
        base=SDK_PREFIX + WORKSPACE_ROUTE,
        action="batchEndpoints/jobs/read",
        summary="List the jobs of a batch endpoint, where the SDK asks for them",
        lists=True,
        query=job_queries.QUERY,
    )
    async def list_batch_endpoint_jobs_for_sdk(req: Request) -> Response:
        return await page(req, req.path_params["endpoint"])


def _add_actions(
    routes: Routes, bp: func.Blueprint, invocation: JobInvocation, jobs: BatchJobs
) -> None:
    @routes.arm(
        bp,
        "POST",
        "jobs/{job}/cancel",
        action="jobs/cancel/action",
        summary="Cancel a job",
        statuses=(202,),
    )
    async def cancel_job(req: Request) -> Response:
        return routes.accepted(await jobs.cancel(req.path_params["job"]))

    @routes.arm(
        bp,
        "POST",
        "jobs/{job}/retryFailed",
        action="jobs/retryFailed/action",
        summary="Start a job over the files of an ended job that have no rows",
        body=RetryRequest,
        may_lack_body=True,
        statuses=(200, 201),
    )
    async def retry_failed_files(req: Request) -> Response:
        asked = await wire.read(req, RetryRequest, ARM_FIELDS, may_lack=True)
        first = await jobs.get(req.path_params["job"])
        invoked = await invocation.invoke(
            first.job.endpoint,
            asked.properties.but(retry_of=first.job.name),
            caller=caller(req),
            deployment=req.headers.get(DEPLOYMENT_HEADER) or None,
            key=idempotency_key(req),
        )
        began(req, f"jobs/{invoked.job.name}")
        view = await jobs.get(invoked.job.name)
        headers = {"Location": status_url(routes, view.job), "ETag": view.etag}
        status = 201 if invoked.new else 200
        return json_response(_arm(routes, jobs, view), status=status, headers=headers)

    @routes.arm(
        bp,
        "DELETE",
        "jobs/{job}",
        action="jobs/delete",
        summary="Delete a job that has ended; what it wrote stays",
        statuses=(200, 204),
    )
    async def delete_job(req: Request) -> Response:
        deleted = await jobs.delete(req.path_params["job"])
        return Response(status_code=200 if deleted else 204)


def idempotency_key(request: Request) -> str | None:
    """The caller's key, by whichever of its headers. Raises Invalid when they differ."""
    given = {request.headers[name] for name in KEY_HEADERS if request.headers.get(name)}
    if len(given) > 1:
        raise Invalid(
            "Idempotency-Key and repeatability_request-id name different keys; send one.",
            target="Idempotency-Key",
        )
    return given.pop() if given else None
