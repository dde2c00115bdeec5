"""The ASGI app in front of the HTTP functions: finds the function, runs it, sends its answer.

It is the path every scoring request takes, so it is plain: no middleware, no task group, no
log line per request unless asked for.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from domain.ports import BrokenOff
from infra.embedded.host.functions import HostedFunction
from infra.embedded.host.invocation import begin, new_id, operation_id
from infra.embedded.host.routes import NoMatch, Route, Routes
from infra.embedded.host.script_callers import ScriptCallers
from infra.embedded.http.caller_connection import CutOff

_log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
Scope = dict[str, Any]
Message = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_CONTROL_PLANE = ("subscriptions/", "providers/")
_NO_PARAMETERS: Mapping[str, str] = {}
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class HttpApp:
    """Answers by the host's own endpoints first (`exact` by path, then `prefixes`), then by
    the functions' routes; those of the control plane answer none of this host's `scripts`. Every
    answer carries `x-ms-request-id` and `x-ms-correlation-request-id`, and is taken for nothing
    but what it says that it is; what a handler raises is a 500 that tells nothing more."""

    def __init__(
        self,
        functions: Sequence[HostedFunction],
        *,
        exact: Mapping[str, Endpoint],
        prefixes: Sequence[tuple[str, Endpoint]],
        scripts: ScriptCallers,
        route_prefix: str,
        log_requests: bool,
    ) -> None:
        self._routes: Routes[tuple[str, Endpoint]] = Routes(
            _route(function, route_prefix, scripts) for function in functions
        )
        self._exact = {path.encode(): (path, endpoint) for path, endpoint in exact.items()}
        self._prefixes = [(p.encode(), (p, endpoint)) for p, endpoint in prefixes]
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the host does not speak {scope['type']}")
        started = time.perf_counter()
        target, parameters = self._find(scope)
        scope["path_params"] = parameters
        traceparent = correlation = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                traceparent = value.decode("latin-1")
            elif name == b"x-ms-correlation-request-id":
                correlation = value
        if isinstance(target, Response):
            name = "-"
            begin(name, traceparent)
            answer = _Answer(scope, receive, send, correlation)
            await answer.give(target)
        else:
            name, endpoint = target
            begin(name, traceparent)
            answer = _Answer(scope, receive, send, correlation)
            await answer.run(name, endpoint)
        if self._log_requests:
            _log.info(
                "%s %s %d",
                scope["method"],
                scope["path"],
                answer.status,
                extra={
                    "milliseconds": round((time.perf_counter() - started) * 1000, 2),
                    "client": scope["client"][0] if scope["client"] else "",
                },
            )

    def _find(self, scope: Scope) -> tuple[tuple[str, Endpoint] | Response, Mapping[str, str]]:
        path: bytes = scope["raw_path"]
        own = self._exact.get(path)
        if own is not None:
            return own, _NO_PARAMETERS
        for prefix, prefixed in self._prefixes:
            if path.startswith(prefix):
                return prefixed, _NO_PARAMETERS
        found = self._routes.match(scope["method"], path)
        if not isinstance(found, NoMatch):
            return found
        if found.allowed:
            text = f"{scope['method']} is not offered at this path; {', '.join(found.allowed)} is."
            refusal = envelope(405, "MethodNotAllowed", text)
            refusal.headers["allow"] = ", ".join(found.allowed)
            return refusal, _NO_PARAMETERS
        return envelope(404, "NotFound", f"There is nothing at {scope['path']}."), _NO_PARAMETERS


class _Answer:
    """One request's way out. `send` adds the ids and remembers what has been said."""

    __slots__ = (
        "_correlation",
        "_receive",
        "_scope",
        "_send",
        "body_ended",
        "request_id",
        "status",
    )

    def __init__(self, scope: Scope, receive: Any, send: Send, correlation: bytes | None) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._correlation = correlation
        self.request_id = new_id()
        self.status = 0
        self.body_ended = False

    async def run(self, name: str, endpoint: Endpoint) -> None:
        response: Response | None = None
        try:
            response = await endpoint(Request(self._scope, self.receive))
            if not isinstance(response, Response):
                raise TypeError(f"{name} returned {type(response).__name__}, not a Response")
            await self.give(response)
        except ClientDisconnect:
            _log.debug("the caller went away")
        except Exception as error:  # Whatever a handler raises is its fault, not the host's end.
            if self.status:  # Too late for another answer; the server cuts the connection.
                if not isinstance(error, BrokenOff):
                    raise
                _log.warning("%s: an answer broke off: %s", name, error)
                raise CutOff from error
            _log.exception("%s failed", name, extra={"request_id": self.request_id})
            text = f"The request failed inside; its id is {self.request_id}."
            await self.give(envelope(500, "InternalServerError", text))
        finally:
            await _close(response)

    async def give(self, response: Response) -> None:
        if isinstance(response, StreamingResponse) and not _has_own_sending(response):
            await self._stream(response)
        else:
            await response(self._scope, self.receive, self.send)

    async def receive(self) -> Any:
        message = await self._receive()
        if not message.get("more_body"):
            self.body_ended = True
        return message

    async def send(self, message: Any) -> None:
        if not self.status:
            self.status = message["status"]
            headers = message["headers"] = list(message.get("headers", ()))
            given = {name for name, _ in headers}
            if b"x-ms-request-id" not in given:
                headers.append((b"x-ms-request-id", self.request_id.encode()))
            if b"x-ms-correlation-request-id" not in given:
                value = self._correlation or operation_id().encode()
                headers.append((b"x-ms-correlation-request-id", value))
            if b"x-content-type-options" not in given:
                headers.append(_NO_SNIFFING)
        await self._send(message)

    async def _stream(self, response: StreamingResponse) -> None:
        """Send pieces as they come, nothing held back; when the caller goes away the
        iterator is closed rather than run on for nobody."""
        await self.send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        leaving: asyncio.Task[None] | None = None
        body_ended = not _announces_body(self._scope)
        try:
            async with asyncio.timeout(None) as until_left:
                async for piece in response.body_iterator:
                    # Who reads the request's body must be alone in reading: watching for the
                    # caller's leaving begins when the body has ended.
                    if leaving is None and (body_ended or self.body_ended):
                        leaving = asyncio.create_task(self._watch(until_left))
                    data = piece.encode() if isinstance(piece, str) else bytes(piece)
                    if data:
                        message = {"type": "http.response.body", "body": data, "more_body": True}
                        await self.send(message)
                await self.send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            if not until_left.expired():
                raise
            raise ClientDisconnect from None
        finally:
            if leaving is not None:
                leaving.cancel()
        if response.background is not None:
            await response.background()

    async def _watch(self, until_left: asyncio.Timeout) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        until_left.reschedule(asyncio.get_running_loop().time())


def envelope(status: int, code: str, message: str) -> Response:
    """An error in ARM's shape, from the host itself."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Response(body, status, media_type="application/json")


def _route(
    function: HostedFunction, prefix: str, scripts: ScriptCallers
) -> Route[tuple[str, Endpoint]]:
    methods = function.trigger.get("methods") or ()
    template = function.trigger.get("route") or function.name
    handler = function.async_handler()
    target: Endpoint = _bound(handler, function.binding) if handler else function.call
    if template.startswith(_CONTROL_PLANE):
        target = scripts.kept_from(target)
    return Route(
        function.name,
        f"{prefix}/{template}",
        frozenset(str(getattr(m, "value", m)).upper() for m in methods),
        (function.name, target),
    )


def _bound(handler: Callable[..., Awaitable[Any]], binding: str) -> Endpoint:
    def call(request: Request) -> Awaitable[Response]:
        return handler(**{binding: request})

    return call


def _has_own_sending(response: StreamingResponse) -> bool:
    return type(response).__call__ is not StreamingResponse.__call__


def _announces_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


async def _close(response: Response | None) -> None:
    """Let a streamed body's generator clean up, however the answer ended."""
    close = getattr(getattr(response, "body_iterator", None), "aclose", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):
            await close()
