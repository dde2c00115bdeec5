"""Adapters that open a span around what leaves the process; composed only where traces go
somewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from domain.ports import (
    Instance,
    LogKind,
    Message,
    Observation,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
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


class TracedWorkers(Workers):
    """Units run in a span; the rest is passed on."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @property
    def holder(self) -> str | None:
        return self._workers.holder

    async def ensure(self, workload: WorkersWorkload) -> Observation:
        return await self._workers.ensure(workload)

    async def observe(self, key: str) -> Observation | None:
        return await self._workers.observe(key)

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        return await self._workers.remove(key, grace=grace)

    async def keys(self) -> Sequence[str]:
        return await self._workers.keys()

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return await self._workers.logs(key, kind, tail=tail)

    async def begin_units(self, key: str, requests: Sequence[UnitRequest]) -> None:
        await self._workers.begin_units(key, requests)

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        attributes = {
            "http.request.method": "POST",
            "url.path": "/units",
            "ml_endpoints.workload": key,
            "ml_endpoints.attempt": request.attempt_id,
            "ml_endpoints.mini_batches": len(request.mini_batches),
        }
        with _span("POST /units", SpanKind.CLIENT, attributes) as span:
            outcome = await self._workers.run_unit(key, request, wait=wait)
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
