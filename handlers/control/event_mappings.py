"""Event mappings on the control plane."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.keys import KeyType
from domain.ground.resource import Stored, Wanted
from domain.inbound.event_mapping import EventMapping, EventMappingProperties
from domain.inbound.event_mappings import EventMappings
from domain.inbound.event_receiving import EventReceiving
from domain.inbound.received_event import ReceivedEvent
from domain.values import Value
from handlers import wire
from handlers.auditing import Kept
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.data import batch_jobs
from handlers.http import Routes, caller, json_response, paging, render_resource

PATH = "eventMappings"
_ITEM = f"{PATH}/{{name}}"
_NO_STORE = {"Cache-Control": "no-store"}

ARM_FIELDS: wire.ArmFields = {
    **batch_jobs.ARM_FIELDS,
    EventMappingProperties: wire.OtherFields(
        read_only=("provisioningState", "eventsUri", "received")
    ),
}


class RegenerateMappingKey(Value):
    """No value: a random one."""

    key_type: KeyType
    key_value: str | None = None


def blueprint(routes: Routes, mappings: EventMappings, receiving: EventReceiving) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[EventMapping]) -> dict[str, Any]:
        mapping = stored.resource
        read_only = {
            "eventsUri": routes.absolute(f"/events/{mapping.name}"),
            "received": await receiving.counts(mapping),
        }
        return render_resource(mapping, routes.scope.path(PATH, mapping.name), PATH, read_only)

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="event_mapping",
            title="an event mapping",
            path=PATH,
            body=Wanted[EventMappingProperties],
            fields=ARM_FIELDS,
            get=mappings.resources.get,
            list=mappings.resources.list,
            put=mappings.put,
            delete=mappings.delete,
            render=rendered,
        ),
    )
    _add_keys(routes, bp, mappings)
    _add_events(routes, bp, receiving)
    return bp


def _add_keys(routes: Routes, bp: func.Blueprint, mappings: EventMappings) -> None:
    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/listKeys",
        action=f"{PATH}/listKeys/action",
        summary="The keys that events for a mapping come with",
        kept=Kept.SECRET,
    )
    async def list_event_mapping_keys(req: Request) -> Response:
        keys = await mappings.keys(req.path_params["name"])
        return json_response(wire.to_wire(keys), headers=_NO_STORE)

    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/regenerateKeys",
        action=f"{PATH}/regenerateKeys/action",
        summary="Replace one key of an event mapping; the other goes on working",
        body=RegenerateMappingKey,
    )
    async def regenerate_event_mapping_keys(req: Request) -> Response:
        asked = await wire.read(req, RegenerateMappingKey)
        keys = await mappings.regenerate_key(
            req.path_params["name"], asked.key_type, asked.key_value, caller(req).id
        )
        return json_response(wire.to_wire(keys), headers=_NO_STORE)


def _add_events(routes: Routes, bp: func.Blueprint, receiving: EventReceiving) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{_ITEM}/events",
        action=f"{PATH}/events/read",
        summary="List events that a mapping has taken, and what became of them",
        lists=True,
    )
    async def list_event_mapping_events(req: Request) -> Response:
        asked = paging(req)
        found, more = await receiving.recent(req.path_params["name"], asked.top, asked.continuation)
        return routes.page(req, [_rendered_event(each) for each in found], more)


def _rendered_event(received: ReceivedEvent) -> dict[str, Any]:
    hidden = {"key", "asked", "attempts", "since"}
    return {k: v for k, v in wire.to_wire(received).items() if k not in hidden}
