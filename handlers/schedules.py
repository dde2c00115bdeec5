"""Schedules on the control plane, and the messages that wake them."""

import json
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain import access
from domain.errors import Invalid
from domain.messages import SCHEDULES_QUEUE, CheckSchedule
from domain.resource import Conditions, Wanted
from domain.schedules.schedule import CronTrigger, ScheduleProperties
from domain.schedules.schedules import Schedules, ScheduleView
from domain.schedules.scheduling import Scheduling
from handlers import batch_jobs, wire
from handlers.batch_messages import is_redelivered
from handlers.http import Routes, caller, conditions, json_response, paging, render_resource
from handlers.merging import merged
from handlers.queue_messages import SERVICE_BUS
from handlers.tracing import traced_message

_ITEM = "schedules/{name}"
_BODY = Wanted[ScheduleProperties]
_VIEWS = {"enabledonly": True, "disabledonly": False, "all": None}
_NO_RECURRENCE = (
    "Schedules are triggered by Cron here; a recurrence can be said as an expression, such as "
    "0 3 * * mon for every Monday at 3."
)

wire.register(ScheduleProperties, read_only=("provisioningState", "nextTriggerTime", "lastRuns"))
wire.register(
    CronTrigger,
    refused={"frequency": _NO_RECURRENCE, "interval": _NO_RECURRENCE, "schedule": _NO_RECURRENCE},
)


def blueprint(routes: Routes, schedules: Schedules, scheduling: Scheduling) -> func.Blueprint:
    bp = func.Blueprint()

    def rendered(view: ScheduleView) -> dict[str, Any]:
        found, read_only = view.stored.resource, {}
        if view.state is not None:
            shown = wire.to_wire(view.state)
            read_only = {"nextTriggerTime": shown["nextAt"], "lastRuns": shown["runs"]}
        path = routes.scope.path("schedules", found.name)
        return render_resource(found, path, "schedules", read_only)

    def answer(view: ScheduleView) -> Response:
        headers = {"ETag": view.stored.etag}
        return json_response(rendered(view), status=201 if view.new else 200, headers=headers)

    async def put(req: Request, wanted: Wanted[ScheduleProperties], when: Conditions) -> Any:
        principal = caller(req)
        endpoint = wanted.properties.action.endpoint_invocation_definition.endpoint_name
        access.require(principal, batch_jobs.WRITE, f"batchEndpoints/{endpoint}")
        return await schedules.put(req.path_params["name"], wanted, principal.id, when)

    @routes.arm(
        bp,
        "PUT",
        _ITEM,
        action="schedules/write",
        summary="Create or change a schedule",
        body=_BODY,
        statuses=(200, 201),
    )
    async def put_schedule(req: Request) -> Response:
        return answer(await put(req, await wire.read(req, _BODY), conditions(req)))

    @routes.arm(
        bp,
        "PATCH",
        _ITEM,
        action="schedules/write",
        summary="Change a schedule by JSON merge patch",
        body=_BODY,
    )
    async def patch_schedule(req: Request) -> Response:
        async def read() -> tuple[Wanted[ScheduleProperties], str]:
            stored = (await schedules.get(req.path_params["name"])).stored
            return _wanted_of(stored.resource), stored.etag

        return answer(await merged(req, _BODY, read, lambda wanted, when: put(req, wanted, when)))

    @routes.arm(bp, "GET", _ITEM, action="schedules/read", summary="Read a schedule")
    async def get_schedule(req: Request) -> Response:
        return answer(await schedules.get(req.path_params["name"]))

    @routes.arm(
        bp, "GET", "schedules", action="schedules/read", summary="List: schedules", lists=True
    )
    async def list_schedules(req: Request) -> Response:
        page = paging(req)
        found, more = await schedules.list(page.top, page.continuation, enabled=_enabled(req))
        return routes.page(req, [rendered(view) for view in found], more)

    @routes.arm(
        bp,
        "DELETE",
        _ITEM,
        action="schedules/delete",
        summary="Delete a schedule; its jobs go on",
        statuses=(200, 204),
    )
    async def delete_schedule(req: Request) -> Response:
        gone = await schedules.delete(req.path_params["name"], conditions(req))
        return Response(status_code=200 if gone else 204)

    @bp.function_name("check_schedule")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=SCHEDULES_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(SCHEDULES_QUEUE)
    async def check_schedule(message: func.ServiceBusMessage) -> None:
        asked = CheckSchedule.from_document(json.loads(message.get_body()))
        await scheduling.check(asked, redelivered=is_redelivered(message))

    return bp


def _enabled(request: Request) -> bool | None:
    asked = request.query_params.get("listViewType", "All")
    if asked.casefold() not in _VIEWS:
        raise Invalid(
            f"'{asked[:40]}' is no view; listViewType is EnabledOnly, DisabledOnly or All.",
            target="listViewType",
        )
    return _VIEWS[asked.casefold()]


def _wanted_of(found: Any) -> Wanted[ScheduleProperties]:
    return _BODY(
        location=found.location,
        tags=found.tags,
        identity=found.identity,
        kind=found.kind,
        sku=found.sku,
        properties=found.properties,
    )
