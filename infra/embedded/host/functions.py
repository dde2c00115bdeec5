"""The functions of an app, as the Functions worker would index them."""

import asyncio
import contextvars
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, get_type_hints

import azure.functions as func
from azure.functions import meta
from azure.functions.decorators.function_app import Function
from azure.functions.meta import Datum

from infra.embedded.host.invocation import InvocationContext, current_invocation

TRIGGERS = ("httpTrigger", "serviceBusTrigger", "blobTrigger", "timerTrigger")

_SETTING = re.compile(r"%([^%]+)%")


class AppError(Exception):
    """The app cannot be hosted: it does not import, index, or binds what the host lacks."""


@dataclass(frozen=True)
class HostedFunction:
    """One function and the trigger that drives it. `trigger` has function.json's keys, with
    `%SETTING%` already replaced."""

    name: str
    trigger: Mapping[str, Any]
    handler: Callable[..., Any]
    takes_context: bool

    @property
    def binding(self) -> str:
        """The parameter that takes the trigger's argument."""
        return str(self.trigger["name"])

    @property
    def trigger_type(self) -> str:
        return str(self.trigger["type"])

    @cached_property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.handler)

    def arguments(self, argument: object) -> dict[str, object]:
        """What the worker would call the handler with."""
        arguments = {self.binding: argument}
        if self.takes_context:
            arguments["context"] = InvocationContext(self.name, current_invocation().id)
        return arguments

    async def call(self, argument: object) -> Any:
        """Run the handler with the trigger's argument: an async one here, another in a
        thread, with this task's context either way."""
        if self._is_async:
            return await self.handler(**self.arguments(argument))
        context = contextvars.copy_context()
        return await asyncio.to_thread(context.run, self._call_plain, argument)

    def _call_plain(self, argument: object) -> Any:
        return self.handler(**self.arguments(argument))

    def async_handler(self) -> Callable[..., Awaitable[Any]] | None:
        """The handler itself when it can be awaited with nothing but its argument, for the
        path where a call layer counts."""
        if self.takes_context or not self._is_async:
            return None
        return self.handler


def converted(trigger_type: str, datum: Datum, metadata: Mapping[str, Datum]) -> Any:
    """The argument that azure-functions' own converter, the one the worker calls, makes."""
    return _converter(trigger_type).decode(datum, trigger_metadata=metadata)


def _converter(trigger_type: str) -> Any:
    registry: Any = meta.get_binding_registry()
    return registry.get(trigger_type)


def import_app(app: str) -> tuple[ModuleType, func.FunctionApp]:
    """The module and FunctionApp that `module:attribute` names. Raises AppError."""
    module_name, _, attribute = app.partition(":")
    attribute = attribute or "app"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise AppError(f"there is no module `{module_name}` to load `{app}` from") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, func.FunctionApp):
        raise AppError(f"`{app}` is not an azure.functions.FunctionApp")
    return module, found


def index(app: func.FunctionApp, settings: Mapping[str, str]) -> list[HostedFunction]:
    """Every function of the app. Raises AppError naming all that cannot be hosted."""
    hosted: list[HostedFunction] = []
    faults: list[str] = []
    try:
        functions = app.get_functions()
    except ValueError as error:
        raise AppError(f"the app does not index: {error}") from error
    for function in functions:
        try:
            hosted.append(_hosted(function, settings))
        except AppError as error:
            faults.append(f"{function.get_function_name()}: {error}")
    if faults:
        raise AppError("these functions cannot be hosted:\n  - " + "\n  - ".join(faults))
    return hosted


def _hosted(function: Function, settings: Mapping[str, str]) -> HostedFunction:
    declared = function.get_trigger()
    if declared is None:
        raise AppError("it has no trigger")
    trigger = {k: _resolved(v, settings) for k, v in declared.get_dict_repr().items()}
    kind = trigger["type"]
    if kind not in TRIGGERS:
        raise AppError(f"its trigger `{kind}` is not one of {', '.join(TRIGGERS)}")
    others = [
        binding.get_dict_repr()["type"]
        for binding in function.get_bindings()
        if binding is not declared and not (kind == "httpTrigger" and binding.type == "http")
    ]
    if others:
        raise AppError(f"the embedded host has no binding {', '.join(map(repr, others))}")
    if str(trigger.get("cardinality") or "one").lower() != "one":
        raise AppError("the embedded host delivers messages one by one (cardinality `one`)")
    handler = function.get_user_function()
    parameters = set(inspect.signature(handler).parameters)
    name = function.get_function_name() or handler.__name__
    if not {trigger["name"]} <= parameters <= {trigger["name"], "context"}:
        raise AppError(
            f"its parameters {sorted(parameters)} are not its binding `{trigger['name']}`"
            " and, if wanted, `context`"
        )
    if kind != "httpTrigger":
        _check_annotation(handler, str(trigger["name"]), kind)
    return HostedFunction(name, trigger, handler, "context" in parameters)


def _check_annotation(handler: Callable[..., Any], parameter: str, kind: str) -> None:
    annotation = get_type_hints(handler).get(parameter)
    if annotation is not None and not _converter(kind).check_input_type_annotation(annotation):
        raise AppError(f"`{parameter}` cannot be a {annotation} under a {kind}")


def _resolved(value: Any, settings: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise AppError(f"`{value}` names the setting {match[1]}, which is not set")
        return settings[match[1]]

    return _SETTING.sub(replace, value)
