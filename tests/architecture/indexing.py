"""Run as a script: import the real app as the Functions worker does, on a running loop, and
print as JSON what it would index and what the import did besides."""

import asyncio
import inspect
import json
import logging
import os
import sys
import typing
from pathlib import Path
from typing import Any

REACHES_OUT = ("socket.", "subprocess.", "sqlite3.", "os.mkdir", "os.rename", "os.remove")
did: list[str] = []
watching = False


def watch(event: str, arguments: Any) -> None:
    if not watching:
        return
    if event == "open" and isinstance(arguments[2], int):
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and "__pycache__" not in str(arguments[0]):
            did.append(f"open {arguments[0]} to write")
    elif event.startswith(REACHES_OUT) and "__pycache__" not in str(arguments):
        did.append(f"{event} {arguments[:2]}")


def described(function: Any) -> dict[str, Any]:
    handler = function.get_user_function()
    trigger = function.get_trigger().get_dict_repr()
    code = handler.__code__
    return {
        "name": function.get_function_name(),
        "type": trigger["type"],
        "route": trigger.get("route"),
        "methods": [method.value for method in trigger.get("methods") or ()],
        "cardinality": str(trigger.get("cardinality") or "one"),
        "bindings": [b.get_dict_repr()["name"] for b in function.get_bindings()],
        "trigger_binding": trigger["name"],
        "parameters": {
            name: [parameter.kind.name, parameter.default is inspect.Parameter.empty]
            for name, parameter in inspect.signature(handler).parameters.items()
        },
        "own_parameters": list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]),
        "is_function": inspect.isfunction(handler),
        "is_async": inspect.iscoroutinefunction(handler),
        "hints": {k: v.__module__ + "." + v.__qualname__ for k, v in hints(handler).items()},
    }


def own_modules() -> set[str]:
    """What the import brought in of ours, as paths from the root of the repository."""
    root = Path(__file__).parents[2]
    named = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = {Path(name) for name in named if name}
    ours = {file.relative_to(root) for file in files if file.is_relative_to(root)}
    return {str(file) for file in ours if file.parts[0] not in (".venv", "tests")}


def hints(handler: Any) -> dict[str, Any]:
    return typing.get_type_hints(handler)


async def main() -> None:
    global watching  # noqa: PLW0603
    sys.addaudithook(watch)
    root = logging.getLogger()
    mark = logging.NullHandler()
    root.addHandler(mark)
    tasks = len(asyncio.all_tasks())
    watching = True
    import azure.functions as func

    import function_app

    watching = False
    functions = function_app.app.get_functions()
    openapi = next(f for f in functions if f.get_function_name() == "get_openapi")
    document = await openapi.get_user_function()(req=None)
    report = {
        "apps": [k for k, v in vars(function_app).items() if isinstance(v, func.FunctionApp)],
        "did": did,
        "left_behind": os.listdir(),
        "tasks": len(asyncio.all_tasks()) - tasks,
        "modules": sorted(own_modules()),
        "log_relay_kept": root.handlers == [mark],
        "functions": [described(function) for function in functions],
        "openapi": json.loads(document.body),
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    asyncio.run(main())
