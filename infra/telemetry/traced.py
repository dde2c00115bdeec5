"""Adapters that open a span around what leaves the process; composed only where traces go
somewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from domain.ports import (
    Instance,
    Message,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    UnitOutcome,
    UnitRequest,
    WorkQueue,
)


class TracedWorkQueue(WorkQueue):
    """The sender's span travels with each message."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue

    async def send(self, queue: str, *messages: Message) -> None:
        attributes = {
            "messaging.system": "servicebus",
            "messaging.operation.type": "send",
            "messaging.destination.name": queue,
            "messaging.batch.message_count": len(messages),
        }
        with _span(f"send {queue}", SpanKind.PRODUCER, attributes):
            await self._queue.send(queue, *messages)


class TracedScorer(Scorer):
    """The model's server is told of the span in `traceparent`."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        attributes = {
            "http.request.method": request.method,
            "url.path": request.path,
            "ml_endpoints.instance": instance.id,
        }
        name = f"{request.method} {request.path}"
        with _span(name, SpanKind.CLIENT, attributes) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            headers = [h for h in request.headers if h[0] not in carrier]
            told = replace(request, headers=[*headers, *carrier.items()])
            response = await self._scorer.score(instance, told, timeout=timeout)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 400:
                span.set_status(StatusCode.ERROR)
            return response

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        attributes = {
            "http.request.method": "POST",
            "url.path": "/units",
            "ml_endpoints.workload": key,
            "ml_endpoints.attempt": request.attempt_id,
            "ml_endpoints.mini_batches": len(request.mini_batches),
        }
        with _span("POST /units", SpanKind.CLIENT, attributes) as span:
            outcome = await self._scorer.run_unit(key, request, wait=wait)
            if outcome is not None and outcome.lost:
                span.set_status(StatusCode.ERROR)
            return outcome


@contextmanager
def _span(name: str, kind: SpanKind, attributes: dict[str, Any]) -> Iterator[Span]:
    tracer = trace.get_tracer("ml_endpoints")
    with tracer.start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:  # noted, and raised on unchanged
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise
