"""What every work queue sends alike."""

import json
from collections.abc import Mapping

from domain import errors
from domain.ground import schema
from domain.ground.messages import SCHEMA
from domain.ports import Message

BODY_BYTES = 256 * 1024
_NAME_CHARACTERS = 260


def encoded(message: Message) -> bytes:
    """The body as it travels. Raises MessageTooLarge, or Invalid for what is not JSON."""
    try:
        body = json.dumps(message.body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise errors.Invalid(f"The message is not JSON: {error}.") from None
    if len(body) > BODY_BYTES:
        raise errors.MessageTooLarge(
            f"The message is {len(body)} bytes of JSON; {BODY_BYTES} is the limit."
        )
    return body


def properties(queue: str, message: Message, carrier: Mapping[str, str]) -> dict[str, str]:
    """What travels beside the body, the sender's trace context `carrier` with it."""
    return {SCHEMA: schema.of_messages(queue), **carrier, **message.properties}


def check_queue(queue: str) -> None:
    """Raises Invalid."""
    if not (1 <= len(queue) <= _NAME_CHARACTERS and queue.isascii() and queue.isprintable()):
        raise errors.Invalid(
            f"A queue's name is 1 to {_NAME_CHARACTERS} printable ASCII characters."
        )
