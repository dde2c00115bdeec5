"""Asking a webhook whether it agrees to be sent events, by the handshake of CloudEvents' "HTTP
1.1 Web Hooks for Event Delivery": nobody can have this installation flood a stranger.

A webhook agrees in its answer to OPTIONS, or later by calling the address it was given there.
A topic or queue of the installation's own namespace needs no asking.
"""

import hmac
import logging
from datetime import timedelta

from domain.errors import Forbidden, Throttled, Unavailable
from domain.events.event_sending import ORIGIN_HEADER
from domain.events.event_subscription import EventSubscription, SubscriptionState, subscription_of
from domain.events.event_subscriptions import EventSubscriptions
from domain.events.webhook_signature import validation_code
from domain.ground.driving.driver import GRACE
from domain.ground.messages import ValidateSubscription
from domain.ports import Cipher, Clock, Document, Replace, ResourceStore, WebhookAnswer, Webhooks

MOST_ATTEMPTS = 10
"""Over some eight minutes, with pauses that double."""

_MOST_RATE = 1_000_000
_log = logging.getLogger("ml_endpoints.events")


class SubscriptionValidating:
    """`callback` is the address that a webhook may call to agree, without name and code."""

    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        cipher: Cipher,
        webhooks: Webhooks,
        subscriptions: EventSubscriptions,
        *,
        origin: str,
        callback: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._cipher = cipher
        self._webhooks = webhooks
        self._subscriptions = subscriptions
        self._origin = origin
        self._callback = callback

    async def validate(self, message: ValidateSubscription) -> None:
        """Ask once, and again later if there is no consent yet. A stale message does
        nothing."""
        found = await self._subscriptions.of_courier(message.subscription, message.uid)
        if (
            found is None
            or found.state is not SubscriptionState.PENDING
            or (found.generation, found.validations) != (message.generation, message.attempt)
        ):
            return
        rate, refusal = await self._asked(found) if found.is_webhook else (None, None)
        if refusal is None:
            await self._agree(found, rate)
            return
        after = await self._subscriptions.change(
            found.name, lambda old: _refused(old, found, refusal)
        )
        if after.resource.state is SubscriptionState.PENDING:
            await self._subscriptions.ask(after.resource, after.resource.pause_before_validation)
        else:
            _log.warning(
                "Event subscription '%s' has Failed: %s",
                found.name,
                refusal,
                extra={"action": "subscription_failed", "subscription": found.name},
            )

    async def resume(self, document: Document) -> None:
        """The message was lost. Raises StaleETag."""
        pending = subscription_of(document)
        due_at = (
            self._clock.now().timestamp() + pending.pause_before_validation.total_seconds() + GRACE
        )
        write = Replace(document.id, document.body, document.etag, due_at=due_at)
        await self._store.transact(document.partition, [write])
        await self._subscriptions.ask(pending, timedelta(0))

    async def agree(self, name: str, code: str, rate: str | None) -> EventSubscription:
        """The webhook has called back. Calling twice is agreeing once. Raises Forbidden,
        whether it is the name or the code that was not given for a validation."""
        document = await self._subscriptions.resources.find(name)
        found = subscription_of(document) if document else None
        wanted = self._code(found) if found else ""
        if found is None or not hmac.compare_digest(wanted.encode(), code.encode()):
            raise Forbidden("This is not the address that a webhook was given to agree at.")
        await self._agree(found, _rate(rate))
        return (await self._subscriptions.resources.get(name)).resource

    async def _agree(self, asked: EventSubscription, rate: int | None) -> None:
        def agreed(old: EventSubscription) -> EventSubscription:
            current = (old.uid, old.generation) == (asked.uid, asked.generation)
            if not current or old.state is not SubscriptionState.PENDING:
                return old
            return old.but(state=SubscriptionState.ACTIVE, reason=None, allowed_rate=rate)

        await self._subscriptions.change(asked.name, agreed)

    async def _asked(self, found: EventSubscription) -> tuple[int | None, str | None]:
        """The rate that the webhook allows, or why it has not agreed."""
        headers = {
            ORIGIN_HEADER: self._origin,
            "WebHook-Request-Callback": f"{self._callback}/{found.name}/{self._code(found)}",
        }
        url = found.properties.destination.properties.endpoint_url or ""
        try:
            answer = await self._webhooks.send("OPTIONS", url, headers, b"")
        except (Unavailable, Throttled) as error:
            return None, error.message
        if not self._is_consent(answer):
            return None, (
                f"The webhook answered OPTIONS with {answer.status} and without "
                f"'WebHook-Allowed-Origin: {self._origin}' (or '*')."
            )
        return _rate(answer.headers.get("webhook-allowed-rate")), None

    def _is_consent(self, answer: WebhookAnswer) -> bool:
        allowed = answer.headers.get("webhook-allowed-origin", "").strip().casefold()
        return 200 <= answer.status < 300 and allowed in ("*", self._origin.casefold())

    def _code(self, found: EventSubscription) -> str:
        key = self._cipher.decrypt(found.sealed_key)
        return validation_code(key, found.uid, found.generation)


def _refused(old: EventSubscription, asked: EventSubscription, why: str) -> EventSubscription:
    if (old.uid, old.generation) != (asked.uid, asked.generation):
        return old
    if old.state is not SubscriptionState.PENDING:
        return old
    tries = old.validations + 1
    state = SubscriptionState.FAILED if tries >= MOST_ATTEMPTS else SubscriptionState.PENDING
    return old.but(validations=tries, reason=why, state=state)


def _rate(text: str | None) -> int | None:
    """Requests a minute; None for any number."""
    told = (text or "*").strip()
    if not (told.isascii() and told.isdigit()) or not 1 <= int(told[:9]) <= _MOST_RATE:
        return None
    return int(told)
