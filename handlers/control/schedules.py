"""Schedules on the control plane."""

from datetime import datetime
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Invalid, NotFound
from domain.ground import access
from domain.ground.resource import Wanted
from domain.jobs.batch_jobs import BatchJobs
from domain.names import WorkspaceScope
from domain.ports import Principal
from domain.schedules.activities import ScheduleActivities
from domain.schedules.schedule import ScheduleProperties
from domain.schedules.scheduled_jobs import definition_of
from domain.schedules.schedules import ScheduleView
from domain.values import Value
from handlers import wire
from handlers.auditing import began
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.data import batch_jobs, job_door
from handlers.http import Routes, caller, json_response, render_resource

PATH = "schedules"
_VIEWS = {"enabledonly": True, "disabledonly": False, "all": None}

ARM_FIELDS: wire.ArmFields = {
    **batch_jobs.ARM_FIELDS,
    ScheduleProperties: wire.OtherFields(
        read_only=("provisioningState", "nextTriggerTime", "lastRuns")
    ),
}


def blueprint(routes: Routes, a: ScheduleActivities, jobs: BatchJobs) -> func.Blueprint:
    bp, schedules = func.Blueprint(), a.collection

    async def rendered(view: ScheduleView) -> dict[str, Any]:
        found, read_only = view.resource, {}
        if view.state is not None:
            shown = wire.to_wire(view.state)
            read_only = {"nextTriggerTime": shown["nextAt"], "lastRuns": shown["runs"]}
        body = render_resource(found, routes.scope.path(PATH, found.name), PATH, read_only)
        source = found.properties.action.source_job_id
        if source is not None:
            body["properties"]["action"] |= _create_job(source)
        return body

    async def prepared(body: Any) -> Any:
        return await _of_job(routes.scope, jobs, body)

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
            prepared=prepared,
        ),
    )

    @routes.arm(
        bp,
        "POST",
        f"{PATH}/{{name}}/trigger",
        action="schedules/trigger/action",
        summary="Do what a schedule does now, beside its due times",
        body=TriggerAsked,
        may_lack_body=True,
    )
    async def trigger_schedule(req: Request) -> Response:
        await wire.read(req, TriggerAsked, may_lack=True)
        name, who = req.path_params["name"], caller(req)
        action = (await schedules.get(name)).resource.properties.action
        endpoint = action.endpoint_invocation_definition.endpoint_name
        access.require(who, job_door.WRITE, f"batchEndpoints/{endpoint}")
        job = await a.triggering.trigger(name, who)
        began(req, f"jobs/{job.name}")
        kind = "CreateJob" if action.source_job_id else action.action_type
        return json_response({"scheduleActionType": kind, "submissionId": job.name})

    return bp


class TriggerAsked(Value):
    """When the SDK asks; what is done is done at once."""

    schedule_time: datetime | None = None


def _create_job(source: str) -> dict[str, Any]:
    """The action as the SDK knows it."""
    definition = {"jobType": "Pipeline", "sourceJobId": source, "isArchived": False}
    return {"actionType": "CreateJob", "jobDefinition": definition}


async def _of_job(scope: WorkspaceScope, jobs: BatchJobs, body: Any) -> Any:
    """`body`; where it asks for a job to be made as one that is there, with what that invokes."""
    given = body.get("properties") if isinstance(body, dict) else None
    properties: dict[str, Any] = given if isinstance(given, dict) else {}
    action = properties.get("action")
    if not isinstance(action, dict) or str(action.get("actionType")).casefold() != "createjob":
        return body
    definition = action.get("jobDefinition")
    source = definition.get("sourceJobId") if isinstance(definition, dict) else None
    target = "properties.action.jobDefinition.sourceJobId"
    if not isinstance(source, str) or not source:
        raise Invalid(
            "A schedule does jobs of a batch endpoint here: give one that it has had, such as "
            "client.jobs.get(name), as create_job, or an action of actionType InvokeBatchEndpoint.",
            target=target,
        )
    below = scope.relative(source) if source.startswith("/") else ["jobs", source]
    try:
        if below is None or len(below) != 2 or below[0].casefold() != "jobs":
            raise Invalid(f"'{source[:200]}' is no job of this workspace.")
        job = (await jobs.get(below[1].removeprefix("azureml:"))).job
        invoked = wire.to_wire(definition_of(job))
    except (Invalid, NotFound) as error:
        raise Invalid(error.message, target=target) from None
    action = {
        "actionType": "InvokeBatchEndpoint",
        "sourceJobId": jobs.arm_id(job.name),
        "endpointInvocationDefinition": invoked,
    }
    return {**body, "properties": {**properties, "action": action}}


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
