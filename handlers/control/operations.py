"""What clients poll until a long-running operation has ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.batch.activities import BatchActivities
from domain.errors import Conflict, NotFound
from domain.ground.operation import Operation, OperationKind, Operations, OperationStatus
from domain.jobs.batch_jobs import BatchJobs
from domain.online.activities import OnlineActivities
from handlers import wire
from handlers.control import batch_endpoints, online_endpoints
from handlers.data.job_view import arm_spelling, render_job
from handlers.http import RETRY_AFTER, Routes, json_response
from handlers.refusals import render_error

Show = Callable[..., Awaitable[dict[str, Any]]]


def blueprint(
    routes: Routes,
    operations: Operations,
    online: OnlineActivities,
    batch: BatchActivities,
    jobs: BatchJobs,
) -> func.Blueprint:
    bp = func.Blueprint()
    shows = _shows(routes, online, batch, jobs)

    @routes.arm(
        bp,
        "GET",
        "mfeOperationsStatus/{operation}",
        action="read",
        summary="How far an operation is",
    )
    async def get_operation_status(req: Request) -> Response:
        operation = await operations.get(req.path_params["operation"])
        headers = {}
        if operation.status is OperationStatus.IN_PROGRESS:
            headers["Retry-After"] = str(RETRY_AFTER)
        return json_response(render(routes, operation), headers=headers)

    @routes.arm(
        bp,
        "GET",
        "mfeOperationResults/{operation}",
        action="read",
        summary="What an operation made, once it has ended",
        statuses=(200, 202, 204),
    )
    async def get_operation_result(req: Request) -> Response:
        operation = await operations.get(req.path_params["operation"])
        if operation.status is OperationStatus.IN_PROGRESS:
            return routes.accepted(operation)
        if operation.status is not OperationStatus.SUCCEEDED:
            return render_error(failure(operation))
        if operation.kind is OperationKind.DELETE:
            return Response(status_code=204)
        return json_response(await _show(routes, shows, operation))

    return bp


def render(routes: Routes, operation: Operation) -> dict[str, Any]:
    """ARM's shape of an operation's status."""
    body: dict[str, Any] = {
        "id": routes.scope.path("mfeOperationsStatus", operation.id),
        "name": operation.id,
        "status": operation.status.value,
        "startTime": operation.started_at.isoformat(),
        "endTime": operation.ended_at.isoformat() if operation.ended_at else None,
        "resourceId": operation.target,
    }
    if operation.error:
        body["error"] = wire.to_wire(operation.error)
    return body


def failure(operation: Operation) -> Conflict:
    """Why an operation did not succeed, as an error."""
    if operation.error:
        return Conflict(operation.error.message, code=operation.error.code)
    return Conflict("The operation was canceled.", code="OperationCanceled")


def _shows(
    routes: Routes, online: OnlineActivities, batch: BatchActivities, jobs: BatchJobs
) -> dict[tuple[str, int], Show]:
    """How to show what an operation made, by the kind in its target's path and its depth."""

    def show(collection: Any) -> Show:
        async def shown(*names: str) -> dict[str, Any]:
            rendered: dict[str, Any] = collection.render((await collection.get(*names)).resource)
            return rendered

        return shown

    async def show_job(name: str) -> dict[str, Any]:
        return render_job(routes, jobs.arm_id(name), await jobs.get(name), arm_spelling)

    return {
        ("jobs", 1): show_job,
        ("onlineEndpoints", 1): show(online_endpoints.endpoints(routes, online)),
        ("onlineEndpoints", 2): show(online_endpoints.deployments(routes, online)),
        ("batchEndpoints", 1): show(batch_endpoints.endpoints(routes, batch)),
        ("batchEndpoints", 2): show(batch_endpoints.deployments(routes, batch)),
    }


async def _show(
    routes: Routes, shows: dict[tuple[str, int], Show], operation: Operation
) -> dict[str, Any]:
    segments = routes.scope.relative(operation.target) or []
    kind, names = segments[0], segments[1::2]
    try:
        return await shows[kind, len(names)](*names)
    except KeyError:
        raise NotFound(f"'{operation.target}' was not found.") from None
