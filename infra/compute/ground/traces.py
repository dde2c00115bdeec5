"""The trace that something belongs to, kept with it and taken up again later."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_HEADER: Final = "traceparent"
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def current_trace() -> str:
    """As a W3C traceparent; '' outside any."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(_HEADER, "")


@contextmanager
def continuing(traceparent: str) -> Iterator[None]:
    """What is done and logged belongs to that trace; to none for ''."""
    carrier = {_HEADER: traceparent} if traceparent else {}
    token = context.attach(_PROPAGATOR.extract(carrier, context.Context()))
    try:
        yield
    finally:
        context.detach(token)
