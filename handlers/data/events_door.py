"""The data plane of events: where other systems send theirs, and where a webhook agrees to be
sent ours."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import DomainError, Invalid
from domain.events.subscription_validating import SubscriptionValidating
from domain.inbound.event_mapping import EventMapping
from domain.inbound.event_receiving import EventReceiving
from domain.inbound.inbound_event import InboundEvent, read_binary, read_events, validation_code
from handlers import wire
from handlers.addresses import Handler
from handlers.admission import admit
from handlers.http import Method, Routes, json_response
from handlers.refusals import render_error

PATH = "eventMappings"
RECEIVE = f"{PATH}/receive/action"
EVENTS = "events/{mapping}"
CALLBACK = "eventSubscriptions/{name}/{code}"


def blueprint(
    routes: Routes, receiving: EventReceiving, validating: SubscriptionValidating
) -> func.Blueprint:
    bp = func.Blueprint()

    async def receive_events(req: Request) -> Response:
        try:
            mapping = await _admitted(routes, receiving, req)
            events = await _events(req)
            if code := validation_code(events):
                return json_response({"validationResponse": code})
            reception = await receiving.receive(mapping, events)
        except DomainError as error:
            return render_error(error)
        return json_response(vars(reception), status=202)

    async def agree_to_events(req: Request) -> Response:
        try:
            await _admitted(routes, receiving, req)
            origin = req.headers.get("webhook-request-origin", "")
            if not 1 <= len(origin) <= 255 or not origin.isprintable():
                told = "Ask with the header WebHook-Request-Origin: the sender's DNS name."
                raise Invalid(told, target="WebHook-Request-Origin")
        except DomainError as error:
            return render_error(error)
        consent = {"Allow": "POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
        return Response(status_code=200, headers=consent)

    async def confirm_event_subscription(req: Request) -> Response:
        try:
            name, code = req.path_params["name"], req.path_params["code"]
            found = await validating.agree(name, code, req.headers.get("webhook-allowed-rate"))
            admit(req)
        except DomainError as error:
            return render_error(error)
        return json_response({"state": found.state.value}, headers={"Cache-Control": "no-store"})

    async def confirm_event_subscription_by_post(req: Request) -> Response:
        return await confirm_event_subscription(req)

    def add(
        handler: Handler,
        method: Method,
        route: str,
        summary: str,
        statuses: tuple[int, ...] = (200,),
    ) -> None:
        name = handler.__name__
        routes.register(bp, name, method, route, handler)
        routes.describe(name, method, route, summary, statuses=statuses)

    told = "Agree to be sent an event subscription's events, with the code of its validation"
    add(receive_events, "POST", EVENTS, "Take events of other systems", (200, 202))
    add(agree_to_events, "OPTIONS", EVENTS, "CloudEvents' handshake: events are taken here")
    add(confirm_event_subscription, "GET", CALLBACK, told)
    add(confirm_event_subscription_by_post, "POST", CALLBACK, told)
    return bp


async def _admitted(routes: Routes, receiving: EventReceiving, req: Request) -> EventMapping:
    """The mapping, for a caller with one of its keys, or with a token whose role may."""
    name = req.path_params["mapping"]
    key, mapping = req.query_params.get("code") or req.headers.get("aeg-sas-key"), f"{PATH}/{name}"
    if key is not None:
        with routes.admission.opening(req, mapping.casefold(), key, RECEIVE, mapping):
            return await receiving.mapping_by_key(name, key)
    await routes.admission.by_token(req, RECEIVE, mapping)
    return await receiving.mapping(name)


async def _events(req: Request) -> list[InboundEvent]:
    if req.headers.get("ce-specversion"):
        return [read_binary(req.headers, await wire.read_json(req, may_lack=True))]
    return read_events(await wire.read_json(req))
