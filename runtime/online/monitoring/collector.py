"""For scripts: `Collector` keeps what it is given for those who look at how the model does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...server.printing import request_at_hand
from . import collected
from .context import BasicCorrelationContext, CorrelationContext

__all__ = ["BasicCorrelationContext", "Collector", "CorrelationContext"]

_AGENT = "ml-endpoints"


class CollectingFailed(Exception):
    """Why something is not collected."""


def _raise(error: Exception) -> None:
    raise error


class Collector:
    """Of the deployment's collection `name`. What goes wrong is given to `on_error`, and raised
    where there is none. Nothing waits for what is collected to be written."""

    def __init__(self, *, name: str, on_error: Callable[[Exception], Any] | None = None) -> None:
        self.name = name
        self._on_error = on_error or _raise
        self._collected = collected.current()
        self._is_enabled()

    def collect(
        self, data: Any, correlation_context: CorrelationContext | None = None
    ) -> CorrelationContext:
        """`data` is a DataFrame, or anything that JSON can say. Returns the context that other
        collections of the same request are to be given."""
        context = correlation_context or BasicCorrelationContext()
        if not self._is_enabled():
            return context
        correlation = str(context.get_id())
        if not self._collected.samples(self.name, correlation):
            return context
        try:
            text = _json_of(data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._on_error(TypeError(f"{type(data).__name__} cannot be collected: {error}"))
            return context
        there = self._collected.put(
            self.name,
            text,
            correlation=correlation,
            type=_type_of(data),
            agent=_AGENT,
            **_time(context),
            request=_request(context),
            headers={str(name): str(value) for name, value in _headers(context).items()},
        )
        if not there:
            self._on_error(
                CollectingFailed("More was collected than could be taken away; it is not kept.")
            )
        return context

    def _is_enabled(self) -> bool:
        if not self.name:
            why = "A collector needs a collection's name."
        elif not self._collected.is_enabled:
            why = "The deployment's data_collector has no collection of a script's enabled."
        elif not self._collected.has(self.name):
            known = ", ".join(self._collected.rates)
            why = f"The deployment's data_collector does not enable '{self.name}', but {known}."
        else:
            return True
        self._on_error(CollectingFailed(why))
        return False


def _request(context: CorrelationContext) -> str:
    return request_at_hand() or str(context.get_id())


def _time(context: CorrelationContext) -> dict[str, float]:
    get = getattr(context, "get_timestamp", None)
    told = get() if callable(get) else None
    return {"time": told} if isinstance(told, (int, float)) else {}


def _headers(context: CorrelationContext) -> dict[str, Any]:
    get = getattr(context, "get_headers", None)
    headers = get() if callable(get) else {}
    return headers if isinstance(headers, dict) else {}


def _json_of(data: Any) -> str:
    """Of a DataFrame its rows as objects."""
    if callable(getattr(data, "to_json", None)) and hasattr(data, "columns"):
        return str(data.to_json(orient="records"))
    return json.dumps(data, allow_nan=False)


def _type_of(data: Any) -> str:
    kind = type(data)
    module = "python" if kind.__module__ == "builtins" else kind.__module__
    return f"{module}.{kind.__qualname__}"
