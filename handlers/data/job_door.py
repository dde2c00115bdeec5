"""The data plane of batch endpoints: invoking one, and its own jobs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.batch.batch_keys import BatchKeys
from domain.jobs.batch_jobs import BatchJobs, JobView
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records.job_request import JobRequest
from domain.ports import Principal
from handlers import wire
from handlers.admission import bearer, is_token
from handlers.auditing import Kept, began
from handlers.data import job_queries
from handlers.data.batch_jobs import ARM_FIELDS, DEPLOYMENT_HEADER, idempotency_key
from handlers.data.job_view import render_job, status_url
from handlers.http import (
    RETRY_AFTER,
    Method,
    Routes,
    caller,
    json_response,
    paging,
)

WRITE = "batchEndpoints/jobs/write"
READ = "batchEndpoints/jobs/read"
CANCEL = "jobs/cancel/action"
JOBS = "endpoints/{endpoint}/jobs"
JOB = f"{JOBS}/{{job}}"


@dataclass(frozen=True)
class _Function:
    """One of the door's: what it answers to whom may do `action` at the endpoint."""

    name: str
    method: Method
    route: str
    summary: str
    action: str
    answer: Callable[[Request, str], Awaitable[Response]]
    statuses: tuple[int, ...] = (200,)


class JobDoor:
    """What is answered to callers of one endpoint's."""

    def __init__(self, routes: Routes, invocation: JobInvocation, jobs: BatchJobs) -> None:
        self._routes = routes
        self._invocation = invocation
        self._jobs = jobs

    async def invoke(self, req: Request, endpoint: str) -> Response:
        asked = await wire.read(req, JobRequest, ARM_FIELDS)
        invoked = await self._invocation.invoke(
            endpoint,
            asked.properties,
            caller=caller(req),
            deployment=req.headers.get(DEPLOYMENT_HEADER) or None,
            key=idempotency_key(req),
        )
        began(req, f"jobs/{invoked.job.name}")
        view = await self._jobs.get(invoked.job.name)
        headers = {"Location": status_url(self._routes, view.job), "ETag": view.etag}
        status = 201 if invoked.new else 200
        return json_response(self._rendered(view), status=status, headers=headers)

    async def get(self, req: Request, endpoint: str) -> Response:
        view = await self._jobs.get(req.path_params["job"], endpoint=endpoint)
        return json_response(self._rendered(view), headers={"ETag": view.etag})

    async def list(self, req: Request, endpoint: str) -> Response:
        asked = paging(req)
        found, more = await self._jobs.list(
            asked.top, asked.continuation, job_queries.choice(req, endpoint=endpoint)
        )
        return self._routes.page(req, [self._rendered(view) for view in found], more)

    async def cancel(self, req: Request, endpoint: str) -> Response:
        """How it ends is seen in the job: who has no more than this door cannot ask for the
        operation."""
        view = await self._jobs.get(req.path_params["job"], endpoint=endpoint)
        operation = await self._jobs.cancel(view.job.name)
        began(req, operation.id)
        headers = {
            "Location": status_url(self._routes, view.job),
            "Retry-After": str(RETRY_AFTER),
        }
        return Response(status_code=202, headers=headers)

    def _rendered(self, view: JobView) -> dict[str, Any]:
        return render_job(self._routes, self._jobs.arm_id(view.job.name), view)


def blueprint(
    routes: Routes, invocation: JobInvocation, jobs: BatchJobs, keys: BatchKeys
) -> func.Blueprint:
    """For whoever has a token whose role may, or one of the endpoint's keys: that opens nothing
    but this."""
    bp = func.Blueprint()
    door = JobDoor(routes, invocation, jobs)
    told, made = "Invoke the batch endpoint{}: start a job", (200, 201)
    for each in (
        _Function("invoke_batch_endpoint", "POST", JOBS, told.format(""), WRITE, door.invoke, made),
        _Function(
            "invoke_batch_endpoint_by_host",
            "POST",
            "jobs",
            told.format(" that the Host names"),
            WRITE,
            door.invoke,
            made,
        ),
        _Function("get_batch_endpoint_job", "GET", JOB, "Read a job of it", READ, door.get),
        _Function("list_own_jobs", "GET", JOBS, "List the endpoint's jobs", READ, door.list),
        _Function(
            "cancel_batch_endpoint_job",
            "POST",
            f"{JOB}/cancel",
            "Cancel a job of the endpoint",
            CANCEL,
            door.cancel,
            (202,),
        ),
    ):
        _add(routes, bp, each, keys)
    return bp


def _add(routes: Routes, bp: func.Blueprint, function: _Function, keys: BatchKeys) -> None:
    f, admission = function, routes.data_admission

    def endpoint(req: Request) -> str:
        """That the path names, or the Host where it does not."""
        named: str | None = req.path_params.get("endpoint")
        return named if named is not None else routes.addresses.endpoint_of_host(req)

    def resource(req: Request) -> str:
        """What the audit log says that it is about."""
        job: str | None = req.path_params.get("job")
        return f"jobs/{job}" if job is not None else f"batchEndpoints/{endpoint(req)}"

    async def admitted(req: Request) -> Principal:
        name, credential = endpoint(req), bearer(req)
        own = f"batchEndpoints/{name}"
        with admission.opening(req, own.casefold(), credential, f.action, own) as attempt:
            holder = None
            if credential and not is_token(credential):
                holder = await keys.holder(name, credential.encode(errors="replace"))
            return holder or await admission.verified(attempt, credential, f.action, own)

    async def answered(req: Request) -> Response:
        return await f.answer(req, endpoint(req))

    auditor = admission.auditor(Kept.by_method(f.method), f.action, resource)
    routes.register(bp, f.name, f.method, f.route, admission.guarded(answered, admitted, auditor))
    lists, invokes = f.name == "list_own_jobs", f.action == WRITE
    routes.describe(
        f.name,
        f.method,
        f.route,
        f.summary,
        action=f.action,
        body=JobRequest if invokes else None,
        statuses=f.statuses,
        lists=lists,
        query=job_queries.QUERY if lists else None,
    )
