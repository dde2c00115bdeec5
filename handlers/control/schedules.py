"""Schedules on the control plane."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request

from domain.errors import Invalid
from domain.ground import access
from domain.ground.resource import Wanted
from domain.ports import Principal
from domain.schedules.schedule import CronTrigger, ScheduleProperties
from domain.schedules.schedules import Schedules, ScheduleView
from handlers import wire
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.data import batch_jobs, job_door
from handlers.http import Routes, render_resource

PATH = "schedules"
_VIEWS = {"enabledonly": True, "disabledonly": False, "all": None}
_NO_RECURRENCE = (
    "Schedules are triggered by Cron here; a recurrence can be said as an expression, such as "
    "0 3 * * mon for every Monday at 3."
)

ARM_FIELDS: wire.ArmFields = {
    **batch_jobs.ARM_FIELDS,
    ScheduleProperties: wire.OtherFields(
        read_only=("provisioningState", "nextTriggerTime", "lastRuns")
    ),
    CronTrigger: wire.OtherFields(
        refused={
            "frequency": _NO_RECURRENCE,
            "interval": _NO_RECURRENCE,
            "schedule": _NO_RECURRENCE,
        }
    ),
}


def blueprint(routes: Routes, schedules: Schedules) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(view: ScheduleView) -> dict[str, Any]:
        found, read_only = view.resource, {}
        if view.state is not None:
            shown = wire.to_wire(view.state)
            read_only = {"nextTriggerTime": shown["nextAt"], "lastRuns": shown["runs"]}
        return render_resource(found, routes.scope.path(PATH, found.name), PATH, read_only)

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="schedule",
            title="a schedule",
            path=PATH,
            body=Wanted[ScheduleProperties],
            fields=ARM_FIELDS,
            get=schedules.get,
            list=schedules.list,
            put=schedules.put,
            delete=schedules.delete,
            render=rendered,
            check=_may_invoke,
            narrowing=_view,
        ),
    )

    return bp


def _may_invoke(principal: Principal, wanted: Wanted[ScheduleProperties]) -> None:
    endpoint = wanted.properties.action.endpoint_invocation_definition.endpoint_name
    access.require(principal, job_door.WRITE, f"batchEndpoints/{endpoint}")


def _view(request: Request) -> dict[str, Any]:
    asked = request.query_params.get("listViewType", "All")
    if asked.casefold() not in _VIEWS:
        raise Invalid(
            f"'{asked[:40]}' is no view; listViewType is EnabledOnly, DisabledOnly or All.",
            target="listViewType",
        )
    return {"enabled": _VIEWS[asked.casefold()]}
