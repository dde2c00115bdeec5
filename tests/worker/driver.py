"""The Functions host's part, in the worker's own process: tells Microsoft's worker library
what the host would. Run by the Python of the worker's environment, never by ours.

Takes commands as lines of JSON on stdin, answers as lines of JSON on stdout (each with the
command's `id`); everything else that is printed goes to stderr.
"""

import asyncio
import base64
import json
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import azure_functions_worker_v2 as worker  # type: ignore[import-not-found]  # noqa: E402
from azure_functions_worker_v2.otel import otel_manager  # type: ignore[import-not-found]  # noqa: E402

from tests import protos  # type: ignore[attr-defined]  # noqa: E402

THREADS = ThreadPoolExecutor(4)

# 1.0.0a41 calls this setter, without its argument, where it means to ask whether
# OpenTelemetry is on; no async function would run.
otel_manager.set_otel_libs_available = lambda available=False: available


def asked(request: Any) -> Any:
    properties = {"host": "127.0.0.1", "protos": protos, "threadpool": THREADS}
    return SimpleNamespace(request=request, properties=properties)


async def index(command: dict[str, Any]) -> dict[str, Any]:
    """Start the worker on an app folder; what it found, and where its HTTP server is."""
    sys.path.insert(0, command["folder"])
    init = protos.WorkerInitRequest(function_app_directory=command["folder"])
    started = await worker.worker_init_request(
        asked(protos.StreamingMessage(worker_init_request=init))
    )
    found = await worker.functions_metadata_request(asked(None))
    if found.result.status != protos.StatusResult.Success:
        raise RuntimeError(found.result.exception.message)
    functions = {
        one.name: {"id": one.function_id, "bindings": [json.loads(b) for b in one.raw_bindings]}
        for one in found.function_metadata_results
    }
    return {"functions": functions, "http": started.capabilities.get("HttpUri")}


async def invoke(command: dict[str, Any]) -> dict[str, Any]:
    """Run one function with one input, as its trigger would."""
    request = protos.InvocationRequest(
        invocation_id=command["invocation"], function_id=command["function"]
    )
    request.input_data.append(
        protos.ParameterBinding(name=command["binding"], data=typed(command["data"]))
    )
    for name, value in command.get("metadata", {}).items():
        request.trigger_metadata[name].CopyFrom(typed(value))
    request.trace_context.trace_parent = command.get("traceparent", "")
    answer = await worker.invocation_request(
        asked(protos.StreamingMessage(invocation_request=request))
    )
    if answer.result.status != protos.StatusResult.Success:
        return {"failed": answer.result.exception.message}
    return {}


def typed(value: dict[str, Any]) -> Any:
    """`{"string"|"json"|"int": …}`, `{"bytes": base64}` or `{"http": route parameters}`."""
    [(kind, content)] = value.items()
    if kind == "bytes":
        return protos.TypedData(bytes=base64.b64decode(content))
    if kind == "http":
        return protos.TypedData(http=protos.RpcHttp(params=content))
    return protos.TypedData(**{kind: content})


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """`code`, an async function's body with the app's module at hand as `app`."""
    space: dict[str, Any] = {"app": sys.modules["function_app"]}
    body = "\n".join(f"    {line}" for line in command["code"].splitlines())
    exec(f"async def code():\n{body}", space)
    return {"value": await space["code"]()}


async def answer(command: dict[str, Any]) -> None:
    do = {"index": index, "invoke": invoke, "run": run}[command["do"]]
    try:
        told = await do(command)
    except Exception:  # Told to the test, which fails by it.
        told = {"error": traceback.format_exc()}
    answers.write(json.dumps({**told, "id": command["id"]}) + "\n")


async def main() -> None:
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    under_way: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
