"""What happened to a resource and who did it: what was asked for and what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.audit.activity_reading import ActivityReading
from domain.audit.story_keeping import StoryKeeping
from domain.errors import NotFound
from domain.jobs.batch_jobs import BatchJobs
from domain.ports import AuditQuery, AuditRecord, AuditStatus
from domain.ports.audit_log import STORY
from handlers.access import audit_filter
from handlers.http import Routes, paging

PATH = "activity"
_QUERY: dict[str, Any] = {"$filter": {"type": "string"}}
Places = Callable[[Request], Awaitable[list[str]]]


@dataclass(frozen=True)
class Active:
    """What has an activity: at `path`, read by who may do `action`."""

    noun: str
    title: str
    path: str
    action: str
    places: Places


def blueprint(
    routes: Routes, reading: ActivityReading, keeping: StoryKeeping, jobs: BatchJobs
) -> func.Blueprint:
    bp = func.Blueprint()

    async def of_job(req: Request) -> list[str]:
        """Its endpoint's name tells where what became of it stands; one that is gone has what was
        asked of it."""
        name = req.path_params["name"]
        try:
            endpoint = (await jobs.get(name)).job.endpoint
        except NotFound:
            return [f"jobs/{name}"]
        return [f"jobs/{name}", f"batchEndpoints/{endpoint}/jobs/{name}"]

    for each in (
        Active("workspace", "the workspace", "", "", _at("")),
        *(
            Active(noun, title, path, f"{path.partition('/')[0]}/", _at(path))
            for noun, title, path in (
                ("online_endpoint", "an online endpoint", "onlineEndpoints/{endpoint}"),
                (
                    "online_deployment",
                    "a deployment of an online endpoint",
                    "onlineEndpoints/{endpoint}/deployments/{deployment}",
                ),
                ("batch_endpoint", "a batch endpoint and its jobs", "batchEndpoints/{endpoint}"),
                (
                    "batch_deployment",
                    "a deployment of a batch endpoint",
                    "batchEndpoints/{endpoint}/deployments/{deployment}",
                ),
            )
        ),
        Active("job", "a batch job", "jobs/{name}", "jobs/", of_job),
    ):
        _add(routes, bp, each, reading, keeping)
    return bp


def _at(path: str) -> Places:
    async def places(req: Request) -> list[str]:
        return [path.format_map(req.path_params)]

    return places


def _add(
    routes: Routes,
    bp: func.Blueprint,
    active: Active,
    reading: ActivityReading,
    keeping: StoryKeeping,
) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{active.path}/{PATH}".lstrip("/"),
        action=f"{active.action}activity/read",
        summary=f"List: what happened to {active.title} and who did it, newest first",
        name=f"list_{active.noun}_activity",
        lists=True,
        query=_QUERY,
    )
    async def list_activity(req: Request) -> Response:
        text = req.query_params.get("$filter", "")
        asked = audit_filter.parsed(text, routes.scope) if text else AuditQuery()
        places, page = await active.places(req), paging(req)
        await keeping.flush()
        found = await reading.of(places, asked, page_size=page.top, continuation=page.continuation)
        return routes.page(
            req, [_rendered(routes, each) for each in found.records], found.continuation
        )


def _rendered(routes: Routes, record: AuditRecord) -> dict[str, Any]:
    is_story = record.action.startswith(STORY)
    scope, action = routes.scope, record.action.removeprefix(STORY)
    shown = {
        "id": record.id,
        "time": record.at.isoformat(),
        "kind": "Event" if is_story else "Act",
        "action": action,
        "resource": record.resource or None,
        "resourceId": f"{scope.id}/{record.resource}" if record.resource else scope.id,
        "status": record.status.value,
        "level": "Warning" if record.status is AuditStatus.FAILED else "Informational",
        "caller": record.caller or None,
        "client": record.client or None,
        "text": record.text or _sentence(record),
        "statusCode": record.code,
        "errorCode": record.error or None,
        "operation": record.operation or None,
        "correlationId": record.correlation_id or None,
        "count": record.count if record.count > 1 else None,
        "endTime": record.ended_at.isoformat() if record.ended_at and not is_story else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _sentence(record: AuditRecord) -> str:
    who = record.client or record.caller or "Somebody"
    done = f"{record.method} {record.action}".strip()
    if record.status is AuditStatus.STARTED:
        return f"{who} asked for {done}; no answer is known"
    answer = f"{record.code}" + (f" {record.error}" if record.error else "")
    return f"{who} asked for {done}: {answer}"
