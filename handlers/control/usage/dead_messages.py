"""The installation's queues, and the messages that they have put aside."""

import json
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.names import PROVIDER
from domain.ports import DeadMessage
from domain.usage.dead_messages import AT_ONCE, DeadMessages, QueueState
from domain.values import Value
from handlers import wire
from handlers.http import Routes, json_response, paging

_QUEUES = "queues"
_QUEUE = f"{_QUEUES}/{{queue}}"
_LETTERS = f"{_QUEUE}/deadLetters"
_SHOWN_IN_LISTS = 4096
"""Bytes of a body; longer ones are shown when the message is asked for by itself."""


class ReplayRequest(Value):
    """Which messages, by their names; none: the oldest."""

    names: list[str] | None = None


def blueprint(routes: Routes, messages: DeadMessages) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        _QUEUES,
        action=f"{_QUEUES}/read",
        summary="List the queues of the installation, with how many messages each has put aside",
        lists=True,
    )
    async def list_queues(req: Request) -> Response:
        return routes.page(req, [_state(routes, each) for each in await messages.states()], None)

    @routes.arm(
        bp,
        "POST",
        f"{_QUEUE}/replay",
        action=f"{_QUEUES}/replay/action",
        summary=f"Have dead letters delivered after all: those of `names`, or the oldest {AT_ONCE}",
        body=ReplayRequest,
        may_lack_body=True,
    )
    async def replay_queue(req: Request) -> Response:
        asked = await wire.read(req, ReplayRequest, may_lack=True)
        count = await messages.replay(req.path_params["queue"], asked.names)
        return json_response({"replayed": count})

    _add_letters(routes, bp, messages)
    return bp


def _add_letters(routes: Routes, bp: func.Blueprint, messages: DeadMessages) -> None:
    @routes.arm(
        bp,
        "GET",
        _LETTERS,
        action=f"{_QUEUES}/deadLetters/read",
        summary="List messages that a queue has put aside, the oldest first",
        lists=True,
    )
    async def list_queue_dead_letters(req: Request) -> Response:
        asked = paging(req)
        queue = req.path_params["queue"]
        found, more = await messages.page(queue, asked.top, asked.continuation)
        return routes.page(req, [_letter(routes, each, _SHOWN_IN_LISTS) for each in found], more)

    @routes.arm(
        bp,
        "GET",
        f"{_LETTERS}/{{name}}",
        action=f"{_QUEUES}/deadLetters/read",
        summary="A message that a queue has put aside, with its whole body",
    )
    async def get_queue_dead_letter(req: Request) -> Response:
        found = await messages.get(req.path_params["queue"], req.path_params["name"])
        return json_response(_letter(routes, found, len(found.body)))

    @routes.arm(
        bp,
        "DELETE",
        f"{_LETTERS}/{{name}}",
        action=f"{_QUEUES}/deadLetters/delete",
        summary="Remove a message that a queue has put aside, for good",
    )
    async def delete_queue_dead_letter(req: Request) -> Response:
        await messages.discard(req.path_params["queue"], req.path_params["name"])
        return Response(status_code=200)


def _state(routes: Routes, state: QueueState) -> dict[str, Any]:
    return {
        "id": routes.scope.path(_QUEUES, state.name),
        "name": state.name,
        "type": f"{PROVIDER}/workspaces/{_QUEUES}",
        "properties": {"deadLetters": state.dead_messages, "isComplete": state.is_complete},
    }


def _letter(routes: Routes, message: DeadMessage, most: int) -> dict[str, Any]:
    at, name = message.dead_lettered_at, str(message.number)
    return {
        "id": routes.scope.path(_QUEUES, message.queue, "deadLetters", name),
        "name": name,
        "type": f"{PROVIDER}/workspaces/{_QUEUES}/deadLetters",
        "properties": {
            "messageId": message.id,
            "reason": message.reason,
            "description": message.description,
            "deliveryCount": message.delivery_count,
            "enqueuedAt": message.enqueued_at.isoformat(),
            "deadLetteredAt": at.isoformat() if at else None,
            "bodyBytes": len(message.body),
            "body": _body(message.body) if len(message.body) <= most else None,
            "properties": dict(message.properties),
        },
    }


def _body(body: bytes) -> Any:
    """As JSON, or as text where it is none."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _no_constant(name: str) -> Any:
    raise ValueError(name)
