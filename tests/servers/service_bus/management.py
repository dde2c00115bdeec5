"""The request-response nodes: `$cbs`, which takes tokens, and each queue's `$management`."""

from collections.abc import Callable
from typing import Any

from proton import UNDESCRIBED, Array, Data, Message, int32, timestamp

from tests.servers.service_bus.encoding import WireError
from tests.servers.service_bus.messages import Stored
from tests.servers.service_bus.queue import LockLost, Outcome, Queue

_PREFIX = "com.microsoft:"
_PEEKED_AT_ONCE = 250


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, condition: str, description: str) -> None:
        super().__init__(description)
        self.reply = _reply(status, description, condition=condition)


def put_token(request: Any, accepted: Callable[[str], bool]) -> Any:
    """The reply of `$cbs`."""
    good = (request.properties or {}).get("operation") == "put-token"
    good = good and accepted(str(request.body))
    status, said = (202, "Accepted") if good else (401, "InvalidSignature: not a token of ours.")
    return Message(properties={"status-code": int32(status), "status-description": said})


def manage(queue: Queue, request: Any) -> Any:
    """The reply of a queue's `$management`."""
    operation = str((request.properties or {}).get("operation", "")).removeprefix(_PREFIX)
    perform = _OPERATIONS.get(operation)
    if perform is None:
        return refusal(501, "amqp:not-implemented", f"there is no operation '{operation}'")
    try:
        body = perform(queue, dict(request.body or {}))
    except Refused as error:
        return error.reply
    except LockLost:
        return refusal(
            410,
            "com.microsoft:message-lock-lost",
            "The lock supplied is invalid. Either the lock expired, or the message has already"
            " been removed from the queue.",
        )
    except (KeyError, WireError) as error:
        return refusal(400, "com.microsoft:argument-error", f"a malformed request: {error}")
    return _reply(200, "OK", body=body) if body is not None else _reply(204, "No Content")


def refusal(status: int, condition: str, description: str) -> Any:
    return _reply(status, description, condition=condition)


def _reply(status: int, said: str, *, body: Any = None, condition: str | None = None) -> Any:
    properties: dict[str, Any] = {"statusCode": int32(status), "statusDescription": said}
    if condition is not None:
        properties["errorCondition"] = condition
    return Message(body=body if body is not None else {}, properties=properties)


def _elements(value: Any) -> list[Any]:
    return list(value.elements if isinstance(value, Array) else value)


def _renew_lock(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    ends = [queue.renew(token) for token in _elements(body["lock-tokens"])]
    stamps = [timestamp(round(end * 1000)) for end in ends]
    return {"expirations": Array(UNDESCRIBED, Data.TIMESTAMP, *stamps)}


def _peek_message(queue: Queue, body: dict[str, Any]) -> dict[str, Any] | None:
    count = min(int(body["message-count"]), _PEEKED_AT_ONCE)
    found = queue.peek(int(body["from-sequence-number"]), count)
    return {"messages": [{"message": m.delivered()} for m in found]} if found else None


def _schedule_message(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    messages = [Stored.received(bytes(entry["message"])) for entry in body["messages"]]
    numbers = [queue.put(message) for message in messages]
    return {"sequence-numbers": Array(UNDESCRIBED, Data.LONG, *numbers)}


def _cancel_scheduled_message(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    for number in _elements(body["sequence-numbers"]):
        if not queue.cancel(number):
            raise _not_found(number)
    return {}


def _receive_by_sequence_number(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    found = []
    for number in _elements(body["sequence-numbers"]):
        lock = queue.take_deferred(number)
        if lock is None:
            raise _not_found(number)
        found.append({"message": lock.message.delivered(lock.until), "lock-token": lock.token})
    return {"messages": found}


def _update_disposition(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    outcome = Outcome(body["disposition-status"])
    reason = str(body.get("deadletter-reason") or "")
    description = str(body.get("deadletter-description") or "")
    for token in _elements(body["lock-tokens"]):
        queue.settle(token, outcome, reason, description)
    return {}


def _not_found(number: int) -> Refused:
    return Refused(404, "com.microsoft:message-not-found", f"there is no message {number}")


_OPERATIONS: dict[str, Callable[[Queue, dict[str, Any]], dict[str, Any] | None]] = {
    "renew-lock": _renew_lock,
    "peek-message": _peek_message,
    "schedule-message": _schedule_message,
    "cancel-scheduled-message": _cancel_scheduled_message,
    "receive-by-sequence-number": _receive_by_sequence_number,
    "update-disposition": _update_disposition,
}
