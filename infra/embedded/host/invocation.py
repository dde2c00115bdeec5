"""What is known of the invocation that a task works for: its id, function and trace."""

import random
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from opentelemetry import context as otel_context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)


@dataclass(frozen=True, slots=True)
class Invocation:
    id: str
    function: str


_NONE = Invocation("", "")
_current: ContextVar[Invocation] = ContextVar("invocation", default=_NONE)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_HEX = frozenset("0123456789abcdef")

# Identifiers, not secrets: uniqueness is all they need, so the kernel is asked only once.
_random = random.SystemRandom()
_bits = random.Random(_random.getrandbits(256)).getrandbits


def new_id() -> str:
    """A random id in the shape of a UUID."""
    digits = f"{_bits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def current_invocation() -> Invocation:
    """The invocation this task works for; one with empty fields outside any."""
    return _current.get()


def begin(function: str, traceparent: str | None = None) -> Invocation:
    """Make the calling task (which must be the invocation's own) an invocation of
    `function` that continues `traceparent`, or starts a trace when that is none."""
    invocation = Invocation(new_id(), function)
    _current.set(invocation)
    parent = parse_traceparent(traceparent) if traceparent else None
    span = parent or SpanContext(_bits(128) or 1, _bits(64) or 1, False, _SAMPLED)
    otel_context.attach(set_span_in_context(NonRecordingSpan(span)))
    return invocation


def parse_traceparent(value: str) -> SpanContext | None:
    """The caller's span from a W3C traceparent; None when it is malformed."""
    parts = value.strip().split("-")
    if len(parts) < 4 or [len(p) for p in parts[:4]] != [2, 32, 16, 2]:
        return None
    if not _HEX.issuperset("".join(parts[:4])) or parts[0] == "ff":
        return None
    if parts[0] == "00" and len(parts) != 4:
        return None
    trace, span = int(parts[1], 16), int(parts[2], 16)
    if not trace or not span:
        return None
    return SpanContext(trace, span, True, TraceFlags(int(parts[3], 16)))


class InvocationContext(func.Context):
    """The `context` parameter of a function that asks for it."""

    def __init__(self, function_name: str, invocation_id: str) -> None:
        self._function_name = function_name
        self._invocation_id = invocation_id
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        return self._local

    @property
    def function_name(self) -> str:
        return self._function_name

    @property
    def function_directory(self) -> str:
        return ""

    @property
    def trace_context(self) -> Any:
        return _TraceContext()

    @property
    def retry_context(self) -> Any:
        return None


class _TraceContext:
    """The current trace as the worker shows it."""

    @property
    def trace_parent(self) -> str:
        return current_traceparent() or ""

    @property
    def trace_state(self) -> str:
        return ""

    @property
    def attributes(self) -> Mapping[str, str]:
        return {}


def current_traceparent() -> str | None:
    """The current span as a W3C traceparent; None outside any trace."""
    span = _span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def operation_id() -> str:
    """The current trace's id, 32 hex digits; empty outside any trace."""
    span = _span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""


def _span_context() -> SpanContext:
    return get_current_span().get_span_context()
