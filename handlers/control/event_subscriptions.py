"""Event subscriptions on the control plane."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.events.dead_letters import DeadLetters
from domain.events.delivery import DeadLetter
from domain.events.event_subscription import EventSubscription, EventSubscriptionProperties
from domain.events.event_subscriptions import EventSubscriptions
from domain.ground.resource import Stored, Wanted
from domain.values import Value
from handlers import wire
from handlers.auditing import Kept
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.http import Routes, caller, json_response, paging, render_resource

PATH = "eventSubscriptions"
_ITEM = f"{PATH}/{{name}}"
_NO_STORE = {"Cache-Control": "no-store"}

ARM_FIELDS: wire.ArmFields = {
    EventSubscriptionProperties: wire.OtherFields(
        read_only=("provisioningState", "state", "reason", "allowedRate", "deliveries", "topic"),
        refused={
            "deadLetterDestination": "Dead letters are kept for a week and read at deadLetters.",
            "eventDeliverySchema": "Events are CloudEvents 1.0; leave this out.",
            "labels": "Use tags.",
        },
    ),
}


class RedeliverRequest(Value):
    """Which dead letter; none: the oldest 500."""

    event_id: str | None = None


def blueprint(
    routes: Routes, subscriptions: EventSubscriptions, dead_letters: DeadLetters
) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[EventSubscription]) -> dict[str, Any]:
        return await _rendered(routes, subscriptions, stored.resource)

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="event_subscription",
            title="an event subscription",
            path=PATH,
            body=Wanted[EventSubscriptionProperties],
            fields=ARM_FIELDS,
            get=subscriptions.resources.get,
            list=subscriptions.resources.list,
            put=subscriptions.put,
            delete=subscriptions.delete,
            render=rendered,
        ),
    )

    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/validate",
        action=f"{PATH}/write",
        summary="Ask an event subscription's destination anew whether it agrees",
    )
    async def validate_event_subscription(req: Request) -> Response:
        stored = await subscriptions.validate(req.path_params["name"], caller(req).id)
        return json_response(await rendered(stored), headers={"ETag": stored.etag})

    _add_keys(routes, bp, subscriptions)
    _add_dead_letters(routes, bp, dead_letters)
    return bp


def _add_keys(routes: Routes, bp: func.Blueprint, subscriptions: EventSubscriptions) -> None:
    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/listKeys",
        action=f"{PATH}/listKeys/action",
        summary="The keys that sign what an event subscription is sent",
        kept=Kept.SECRET,
    )
    async def list_event_subscription_keys(req: Request) -> Response:
        keys = await subscriptions.keys(req.path_params["name"])
        return json_response(wire.to_wire(keys), headers=_NO_STORE)

    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/regenerateKeys",
        action=f"{PATH}/regenerateKeys/action",
        summary="A new key to sign with; the last one signs beside it for a day",
    )
    async def regenerate_event_subscription_keys(req: Request) -> Response:
        keys = await subscriptions.regenerate_key(req.path_params["name"], caller(req).id)
        return json_response(wire.to_wire(keys), headers=_NO_STORE)


def _add_dead_letters(routes: Routes, bp: func.Blueprint, dead_letters: DeadLetters) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{_ITEM}/deadLetters",
        action=f"{PATH}/deadLetters/read",
        summary="List events that an event subscription could not be given",
        lists=True,
    )
    async def list_event_subscription_dead_letters(req: Request) -> Response:
        asked = paging(req)
        found, more = await dead_letters.list(
            req.path_params["name"], asked.top, asked.continuation
        )
        return routes.page(req, [_rendered_letter(routes, letter) for letter in found], more)

    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/redeliver",
        action=f"{PATH}/redeliver/action",
        summary="Deliver dead letters after all: that of `eventId`, or the oldest 500",
        body=RedeliverRequest,
    )
    async def redeliver_event_subscription(req: Request) -> Response:
        asked = await wire.read(req, RedeliverRequest, may_lack=True)
        count = await dead_letters.redeliver(req.path_params["name"], asked.event_id)
        return json_response({"redelivered": count})


async def _rendered(
    routes: Routes, subscriptions: EventSubscriptions, subscription: EventSubscription
) -> dict[str, Any]:
    courier = await subscriptions.courier(subscription)
    read_only = {
        "state": subscription.state.value,
        "reason": subscription.reason,
        "allowedRate": subscription.allowed_rate,
        "deliveries": {
            "delivered": courier.delivered,
            "failedAttempts": courier.failed_attempts,
            "deadLettered": courier.dead_lettered,
            "failuresInARow": courier.failures,
            "lastFault": courier.last_fault,
        },
    }
    id = routes.scope.path(PATH, subscription.name)
    return render_resource(subscription, id, PATH, read_only)


def _rendered_letter(routes: Routes, letter: DeadLetter) -> dict[str, Any]:
    shown = wire.to_wire(letter)
    return {**shown, "event": letter.event.to_cloud_event(routes.scope.id)}
