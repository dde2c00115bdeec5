"""One span for each invocation, where a tracing SDK has been set up before the functions are
made (infra/telemetry/telemetry.py); where none has, a handler is left as it is.

A span goes on with the trace of whoever caused the invocation: the request's `traceparent`,
or the sender's, which travels in the message's properties. Exceptions go to the log, which is
redacted and names the trace; a span tells only their type.
"""

import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

OnRequest = Callable[[Request], Awaitable[Response]]
OnMessage = Callable[[func.ServiceBusMessage], Awaitable[None]]
Event = TypeVar("Event", bound=Callable[..., Awaitable[None]])


def is_on() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def traced_request(route: str, handler: OnRequest) -> OnRequest:
    if not is_on():
        return handler
    template = f"/{route}"

    @functools.wraps(handler)
    async def traced(req: Request) -> Response:
        attributes = {
            "http.request.method": req.method,
            "http.route": template,
            "url.path": req.url.path,
            "url.scheme": req.url.scheme,
            "server.address": req.url.hostname or "",
            "server.port": req.url.port or (443 if req.url.scheme == "https" else 80),
        }
        name = f"{req.method} {template}"
        with _span(name, SpanKind.SERVER, attributes, req.headers) as span:
            response = await handler(req)
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
            return response

    return traced


def traced_message(queue: str) -> Callable[[OnMessage], OnMessage]:
    def decorate(handler: OnMessage) -> OnMessage:
        if not is_on():
            return handler

        @functools.wraps(handler)
        async def traced(message: func.ServiceBusMessage) -> None:
            attributes = {
                "messaging.system": "servicebus",
                "messaging.operation.type": "process",
                "messaging.destination.name": queue,
                "messaging.message.id": message.message_id,
                "messaging.servicebus.message.delivery_count": message.delivery_count or 1,
            }
            sender = {k: str(v) for k, v in (message.application_properties or {}).items()}
            with _span(f"process {queue}", SpanKind.CONSUMER, attributes, sender):
                await handler(message)

        return traced

    return decorate


def traced_event(handler: Event) -> Event:
    """For what nobody sends: timers, and blobs that land."""
    if not is_on():
        return handler
    name = handler.__name__

    @functools.wraps(handler)
    async def traced(**arguments: Any) -> None:
        with _span(name, SpanKind.INTERNAL, {"faas.name": name}, {}):
            await handler(**arguments)

    return traced  # type: ignore[return-value]  # it looks like the handler


@contextmanager
def _span(
    name: str, kind: SpanKind, attributes: Mapping[str, Any], carrier: Mapping[str, str]
) -> Iterator[Span]:
    tracer = trace.get_tracer("ml_endpoints")
    with tracer.start_as_current_span(
        name,
        context=_parent(carrier),
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


def _parent(carrier: Mapping[str, str]) -> Context:
    current = trace.get_current_span().get_span_context()
    if current.is_remote:
        return get_current()
    if current.is_valid:
        # The embedded host has begun a trace: this is its first span, and keeps its id.
        return Context()
    return propagate.extract(carrier)
