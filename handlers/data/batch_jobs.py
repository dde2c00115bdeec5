"""Batch jobs on the control plane, and what the body of an invocation may hold."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Invalid, NotFound, Unsupported
from domain.ground.resource import StringMap, Tags, Text
from domain.jobs.batch_jobs import BatchJobs, JobView
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.job_change import JobChange
from domain.jobs.records.job_request import (
    JobProperties,
    JobRequest,
    RequestedCompute,
    RequestedDataset,
    RetryRequest,
)
from domain.values import Value
from handlers import wire
from handlers.answers.batch import JobAnswer
from handlers.auditing import began
from handlers.data import job_queries
from handlers.data.job_view import arm_spelling, render_job, status_url
from handlers.http import WORKSPACE_ROUTE, Routes, caller, json_response, paging

DEPLOYMENT_HEADER = "azureml-model-deployment"
SDK_PREFIX = "mferp/managementfrontend/"
"""Stands before the workspace's path where azure-ai-ml lists a batch endpoint's jobs, with a token
for the data plane."""
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
    _add_changing(routes, bp, jobs)
    return bp


def _arm(routes: Routes, jobs: BatchJobs, view: JobView) -> dict[str, Any]:
    return render_job(routes, jobs.arm_id(view.job.name), view, arm_spelling)


def _add_reading(routes: Routes, bp: func.Blueprint, jobs: BatchJobs) -> None:
    def render(view: JobView) -> dict[str, Any]:
        return _arm(routes, jobs, view)

    async def page(req: Request) -> Response:
        asked, named = paging(req), req.path_params
        chosen = job_queries.choice(
            req, endpoint=named.get("endpoint"), deployment=named.get("deployment")
        )
        found, continuation = await jobs.list(asked.top, asked.continuation, chosen)
        return routes.page(req, [render(view) for view in found], continuation)

    @routes.arm(bp, "GET", "jobs/{job}", action="jobs/read", summary="Read a job", answer=JobAnswer)
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
        answer=JobAnswer,
        query=job_queries.QUERY,
    )
    async def list_jobs(req: Request) -> Response:
        return await page(req)

    for path, name, of in (
        ("batchEndpoints/{endpoint}/jobs", "list_batch_endpoint_jobs", "a batch endpoint"),
        (
            "batchEndpoints/{endpoint}/deployments/{deployment}/jobs",
            "list_batch_deployment_jobs",
            "a batch deployment",
        ),
    ):
        for base, sdk in (("", ""), (SDK_PREFIX, "_for_sdk")):
            routes.arm(
                bp,
                "GET",
                path,
                base=base + WORKSPACE_ROUTE,
                name=name + sdk,
                action="batchEndpoints/jobs/read",
                summary=f"List the jobs of {of}" + (", where the SDK asks" if sdk else ""),
                lists=True,
                answer=JobAnswer,
                query=job_queries.QUERY,
                is_data_plane=bool(sdk),
            )(page)


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
        answer=JobAnswer,
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


def _add_changing(routes: Routes, bp: func.Blueprint, jobs: BatchJobs) -> None:
    @routes.arm(
        bp,
        "PUT",
        "jobs/{job}",
        action="jobs/write",
        summary="Change what is said of a job, or archive it; jobs are made by invoking",
        body=PutJob,
        answer=JobAnswer,
    )
    async def put_job(req: Request) -> Response:
        name = req.path_params["job"]
        asked = job_change(await wire.read_json(req))
        try:
            view = await jobs.change(name, asked)
        except NotFound:
            raise Unsupported(
                f"There is no job '{name[:100]}', and none can be made of this: invoke a batch "
                "endpoint to score with a model. Other jobs (commands, pipelines, sweeps) do not "
                "run here."
            ) from None
        return json_response(_arm(routes, jobs, view), headers={"ETag": view.etag})


class PutJobProperties(Value):
    display_name: Text | None = None
    description: Text | None = None
    tags: Tags | None = None
    properties: StringMap | None = None
    is_archived: bool | None = None


class PutJob(Value):
    """A job as it was read, of which these fields may be others."""

    properties: PutJobProperties


def job_change(body: Any) -> JobChange:
    """What a PUT may change; what it says besides is as it was, or not to be changed."""
    properties = body.get("properties") if isinstance(body, dict) else None
    given = properties if isinstance(properties, dict) else {}
    known = {info.alias or name for name, info in PutJobProperties.model_fields.items()}
    asked = wire.parse(PutJobProperties, {k: v for k, v in given.items() if k in known})
    return JobChange(
        display_name=asked.display_name,
        description=asked.description,
        tags=asked.tags or {},
        properties=asked.properties or {},
        is_archived=asked.is_archived,
    )


def idempotency_key(request: Request) -> str | None:
    """The caller's key, by whichever of its headers. Raises Invalid when they differ."""
    given = {request.headers[name] for name in KEY_HEADERS if request.headers.get(name)}
    if len(given) > 1:
        raise Invalid(
            "Idempotency-Key and repeatability_request-id name different keys; send one.",
            target="Idempotency-Key",
        )
    return given.pop() if given else None
