"""One attempt to hand one event to one subscription's destination."""

import json
from dataclasses import dataclass

from domain.errors import DomainError
from domain.events.delivery import Verdict, retry_after, verdict_on
from domain.events.event_subscription import EndpointType, EventSubscription
from domain.events.webhook_signature import signature_headers
from domain.ground.facts import Event
from domain.ports import Cipher, Clock, EventMessage, EventTopics, Webhooks

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
ORIGIN_HEADER = "WebHook-Request-Origin"


@dataclass(frozen=True)
class Attempt:
    """`pause` is what the receiver asked for, in seconds."""

    verdict: Verdict
    fault: str | None = None
    pause: float = 0.0


class EventSending:
    """`source` is the workspace's ARM id; `origin` the DNS name that webhooks have agreed to."""

    def __init__(
        self,
        webhooks: Webhooks,
        topics: EventTopics,
        cipher: Cipher,
        clock: Clock,
        *,
        source: str,
        origin: str,
    ) -> None:
        self._webhooks = webhooks
        self._topics = topics
        self._cipher = cipher
        self._clock = clock
        self._source = source
        self._origin = origin

    async def send(self, subscription: EventSubscription, event: Event) -> Attempt:
        """Never raises for what the destination does."""
        body = json.dumps(event.to_cloud_event(self._source), ensure_ascii=False).encode()
        try:
            if subscription.is_webhook:
                return await self._post(subscription, event, body)
            await self._enqueue(subscription, event, body)
        except DomainError as error:
            return Attempt(Verdict.RETRY, error.message)
        return Attempt(Verdict.DELIVERED)

    async def _post(self, to: EventSubscription, event: Event, body: bytes) -> Attempt:
        now = self._clock.now().timestamp()
        sealed = [to.sealed_key]
        if to.sealed_previous_key and (to.previous_key_until or 0.0) > now:
            sealed.append(to.sealed_previous_key)
        keys = [self._cipher.decrypt(key) for key in sealed]
        headers = {
            "Content-Type": CONTENT_TYPE,
            ORIGIN_HEADER: self._origin,
            **signature_headers(keys, event.id, int(now), body),
        }
        url = to.properties.destination.properties.endpoint_url or ""
        answer = await self._webhooks.send("POST", url, headers, body)
        verdict = verdict_on(answer)
        fault = None if verdict is Verdict.DELIVERED else f"The webhook answered {answer.status}."
        return Attempt(verdict, fault, retry_after(answer.headers))

    async def _enqueue(self, to: EventSubscription, event: Event, body: bytes) -> None:
        destination = to.properties.destination
        is_topic = destination.endpoint_type is EndpointType.SERVICE_BUS_TOPIC
        # The attributes as CloudEvents' AMQP binding names them, for filters over there.
        message = EventMessage(
            id=event.id,
            body=body,
            content_type=CONTENT_TYPE,
            subject=event.type,
            properties={
                "cloudEvents:type": event.type,
                "cloudEvents:subject": event.subject,
                "cloudEvents:source": self._source,
                "cloudEvents:id": event.id,
            },
        )
        entity = destination.properties.entity_name or ""
        await self._topics.send("topic" if is_topic else "queue", entity, message)
