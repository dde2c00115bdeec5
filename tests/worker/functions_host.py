"""As much of the Functions host as a test needs: routes, invocations, the HTTP proxy."""

import asyncio
import base64
import itertools
import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.embedded.host.routes import NoMatch, Route, Routes
from tests.kit.waiting import PATIENCE, eventually, patience

DRIVER = Path(__file__).with_name("driver.py")


class WorkerFailed(Exception):
    """A command that the worker could not carry out, or an invocation that raised."""


@dataclass(frozen=True)
class Function:
    """One function as the worker reported it."""

    name: str
    id: str
    trigger: Mapping[str, Any]


class FunctionsHost:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())
        self._client = httpx.AsyncClient(timeout=PATIENCE)
        self._routes: Routes[Function] = Routes(())
        self.functions: dict[str, Function] = {}

    @classmethod
    async def start(
        cls, python: Path, app: Path, work: Path, environment: Mapping[str, str]
    ) -> "FunctionsHost":
        given = {k: v for k, v in os.environ.items() if not k.startswith(("ML_", "PYTEST_"))}
        with (work / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                str(python),
                str(DRIVER),
                cwd=work,
                env={**given, "PYTHON_ENABLE_INIT_INDEXING": "1", **environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=2**24,
            )
        host = cls(process)
        await host._index(app)
        return host

    async def stop(self) -> None:
        await self._client.aclose()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with patience():
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def run(self, code: str) -> Any:
        """Run an async function's body inside the worker; `app` is the app's module."""
        return (await self._told({"do": "run", "code": code}))["value"]

    async def invoke(
        self, name: str, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Run a function as its trigger would. Raises WorkerFailed when it raises."""
        await self._invoke(self.functions[name], str(uuid.uuid4()), data, metadata or {})

    async def message(self, name: str, body: bytes, properties: Mapping[str, str]) -> None:
        """Deliver a Service Bus message."""
        told = {"json": json.dumps(dict(properties))}
        metadata = {
            "MessageId": {"string": uuid.uuid4().hex},
            "DeliveryCount": {"string": "1"},
            "LockToken": {"string": str(uuid.uuid4())},
            "ApplicationProperties": told,
            "UserProperties": told,
        }
        await self.invoke(name, {"bytes": base64.b64encode(body).decode()}, metadata)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with self.stream(method, path, **more) as response:
            await response.aread()
            return response

    @asynccontextmanager
    async def stream(self, method: str, path: str, **more: Any) -> AsyncIterator[httpx.Response]:
        """Proxy a request to the function whose route fits, as the host does."""
        invocation, running = self._proxied(method, path)
        headers = {**more.pop("headers", {}), "x-ms-invocation-id": invocation}
        try:
            async with self._client.stream(
                method, self._url + path, headers=headers, **more
            ) as response:
                yield response
        except BaseException:  # a failed test too: nobody will wait for it
            running.cancel()
            raise
        await running

    async def converse(
        self, method: str, path: str, headers: Mapping[str, str], pieces: Sequence[bytes]
    ) -> list[bytes]:
        """Send each piece of a body only once an answer to the one before has come."""
        invocation, running = self._proxied(method, path)
        address = httpx.URL(self._url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        told = {**headers, "x-ms-invocation-id": invocation, "host": "worker"}
        head = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items())]
        writer.write("\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode())
        came: list[bytes] = []
        async with patience():
            for piece in pieces:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if not came:
                    status = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
                    assert status.endswith(b"200 OK"), status
                length = int(await reader.readline(), 16)
                came.append((await reader.readexactly(length + 2))[:-2])
            writer.write(b"0\r\n\r\n")
            assert await reader.readexactly(5) == b"0\r\n\r\n"
        writer.close()
        await writer.wait_closed()
        await running
        return came

    async def _index(self, app: Path) -> None:
        told = await self._told({"do": "index", "folder": str(app)})
        self._url = str(told["http"])
        await self._reachable()
        for name, one in told["functions"].items():
            [trigger] = [b for b in one["bindings"] if b["type"].lower().endswith("trigger")]
            self.functions[name] = Function(name, one["id"], trigger)
        self._routes = Routes(
            Route(f.name, f"/{f.trigger['route']}", frozenset(f.trigger["methods"]), f)
            for f in self.functions.values()
            if f.trigger["type"] == "httpTrigger"
        )

    def _proxied(self, method: str, path: str) -> tuple[str, "asyncio.Task[None]"]:
        """Begin the invocation that the worker pairs with the HTTP request of that id."""
        found = self._routes.match(method, path.partition("?")[0].encode())
        assert not isinstance(found, NoMatch), f"no function at {path}"
        function, parameters = found
        invocation = str(uuid.uuid4())
        data = {"http": dict(parameters)}
        return invocation, asyncio.create_task(self._invoke(function, invocation, data, {}))

    async def _reachable(self) -> None:
        """The worker tells its address before it listens there."""
        address = httpx.URL(self._url)

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except ConnectionRefusedError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        await eventually(listens)

    async def _invoke(
        self,
        function: Function,
        invocation: str,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any],
    ) -> None:
        told = await self._told(
            {
                "do": "invoke",
                "function": function.id,
                "invocation": invocation,
                "binding": function.trigger["name"],
                "data": data,
                "metadata": metadata,
            }
        )
        if "failed" in told:
            raise WorkerFailed(told["failed"])

    async def _told(self, command: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**command, "id": number}).encode() + b"\n")
        async with patience():
            told = await answer
        if "error" in told:
            raise WorkerFailed(told["error"])
        return told

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            answer = self._waiting.pop(told["id"])
            if not answer.done():
                answer.set_result(told)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(WorkerFailed("the worker's process has ended"))
