"""What comes of a message that only processes of a newer version understand, or that cannot be
handled while something is out: it is kept until it can.

To fail would not do: a queue counts failed deliveries, for those that end their host, and soon puts
the message aside.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta

from domain.errors import NewerSchema, Throttled, Unavailable
from domain.ground import schema
from domain.ground.messages import GIVEN_BACK, SCHEMA
from domain.ports import Json, Message, WorkQueue

_FIRST_DELAY = 5.0
_LONGEST_DELAY = 300.0
_LONGEST_OUTAGE_DELAY = 60.0
_MOST_DOUBLINGS = 10

_log = logging.getLogger("ml_endpoints.messages")


class GivingBack:
    """A message that is given back comes again with a delay, twice as long each time, until a
    process understands it. `properties` are those that came with it."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue

    def check(self, queue: str, properties: Mapping[str, str]) -> None:
        """Raises NewerSchema for a message of `queue` that is not understood here."""
        found = properties.get(SCHEMA, schema.FIRST)
        known = schema.of_messages(queue)
        if found != known:
            schema.check(found, known, f"A message in {queue!r}")

    async def give_back(
        self, queue: str, body: Json, properties: Mapping[str, str], why: NewerSchema
    ) -> None:
        """Send it again. Its delivery is then over: a crash in between doubles it."""
        delay = await self._send_again(queue, body, properties, _LONGEST_DELAY)
        _log.warning(
            "A message in %r is left to newer processes, again in %.0f s: %s",
            queue,
            delay,
            why.message,
            extra={"action": "message_given_back"},
        )

    async def wait_out(
        self, queue: str, body: Json, properties: Mapping[str, str], fault: Unavailable | Throttled
    ) -> None:
        """The same, for what a fault that may pass has kept from being done."""
        delay = await self._send_again(queue, body, properties, _LONGEST_OUTAGE_DELAY)
        _log.warning(
            "A message in %r cannot be handled now, again in %.0f s: %s",
            queue,
            delay,
            fault.message,
            extra={"action": "message_waits"},
        )

    async def _send_again(
        self, queue: str, body: Json, properties: Mapping[str, str], longest: float
    ) -> float:
        times = int(properties.get(GIVEN_BACK, "0"))
        delay: float = min(_FIRST_DELAY * 2 ** min(times, _MOST_DOUBLINGS), longest)
        again = {
            SCHEMA: properties.get(SCHEMA, schema.FIRST),
            GIVEN_BACK: str(times + 1),
        }
        await self._queue.send(queue, Message(body, timedelta(seconds=delay), again))
        return delay
