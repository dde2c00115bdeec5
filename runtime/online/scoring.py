"""Azure ML's scoring-script contract: from a request to a call of `run`, and from what it
returned to a reply."""

from __future__ import annotations

import inspect
import json
import sys
import time
import uuid
from typing import Any

from ..coroutines import finish
from ..script import (
    FUNCTION_NOT_FOUND,
    INIT_FAILED,
    Script,
    ScriptFailed,
    data_parameters,
    describe,
    user_traceback,
)
from ..server.exchange import Request
from ..server.json_text import JsonText
from ..server.notes import note
from ..server.printing import print_for
from . import dialects, rawhttp, request_values, schema, streaming, typed
from .request_values import BadInput
from .responses import JSON, UnsendableResult, from_response, is_response
from .signature import BadSignature, Signature
from .signature import of as signature_of

SIGNATURE = "PAYLOAD_SIGNATURE"
"""What a script names its model's signature by, to be asked in every dialect."""
STREAM_TYPE = "STREAM_CONTENT_TYPE"
"""What a script names the content type of its streams by."""

_ID_LIMIT = 100
_IDS_OF_BATCH = 8
_SUCCEEDED = "x-ms-run-function-failed: False\r\n"
_NON_FINITE = "x-ms-run-non-finite: True\r\n"
_OPTIONS = "content-type: text/html; charset=utf-8\r\nx-ms-run-function-failed: False\r\n"
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please "
    "check your spelling and try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
_GENERIC = "An unexpected error occurred in scoring script. Check the logs for more info."


class Scoring:
    """Answers `/score` requests by calling the script. Safe in several threads at once. An
    answer streams for at most `longest_stream` seconds."""

    def __init__(self, script: Script, deployment: str, longest_stream: int) -> None:
        self._run = script.run
        self._run_batch = script.run_batch
        self._script = script
        self._deployment = deployment
        self._longest_stream = longest_stream
        self._stream_type = ""
        self.signature: Signature | None = None
        data, self._wants_headers = data_parameters(script.run)
        raw = rawhttp.requested()
        if raw and schema.is_decorated(script.run):
            raise ScriptFailed(
                FUNCTION_NOT_FOUND, "run() cannot have both @rawhttp and @input_schema"
            )
        self.raw = raw
        # A script that uses Flask finds `flask.request` bound, whatever its run() takes.
        self._flask = rawhttp.RawHttp() if raw or "flask" in sys.modules else None
        self._by_schema = not raw and schema.is_decorated(script.run)
        self._name = data[0].name
        self._parameters = data

    def initialize(self) -> None:
        """The script's `init()`; the signature and the content type of streams that it names by
        then hold. Raises ScriptFailed."""
        self._script.init()
        self._stream_type = _stream_type(self._script)
        told = getattr(self._script.module, SIGNATURE, None)
        if told is None:
            return
        try:
            signature = signature_of(told)
        except BadSignature as error:
            raise ScriptFailed(INIT_FAILED, f"{SIGNATURE}: {error}") from None
        lacking = typed.missing_library(signature)
        if lacking:
            raise ScriptFailed(
                INIT_FAILED, f"{SIGNATURE} needs {lacking}, which the environment lacks"
            )
        if self.raw or self._by_schema:
            raise ScriptFailed(
                FUNCTION_NOT_FOUND, f"{SIGNATURE} goes with a plain run(), without a decorator"
            )
        names = [parameter.name for parameter in self._parameters]
        if names[1:] not in ([], ["params"]):
            raise ScriptFailed(
                FUNCTION_NOT_FOUND, f"With {SIGNATURE}, run() takes the data and maybe `params`"
            )
        self.signature = signature

    def answer(self, request: Request) -> None:
        """Reply to `request`, marked `failed` when `run` did. Never raises."""
        ids = self._admitted(request)
        if ids is None:
            return
        try:
            if self._flask is not None:
                with self._flask.context(request) as raw:
                    arguments = {self._name: raw} if self.raw else self._arguments(request)
                    self._score(request, ids, arguments)
            else:
                self._score(request, ids, self._arguments(request))
        except BadInput as error:
            refuse(request, error.status, error.message, ids)
        finally:
            print_for("")

    def answer_batch(self, requests: list[Request]) -> None:
        """Reply to every request by one call of `run_batch`; if that raises, by one call of
        `run` for each, so that a bad request fails alone. Never raises."""
        called: list[tuple[Request, str, dict[str, Any]]] = []
        for request in requests:
            ids = self._admitted(request)
            if ids is None:
                continue
            try:
                called.append((request, ids, self._arguments(request)))
            except BadInput as error:
                refuse(request, error.status, error.message, ids)
        if called:
            self._score_together(called)
            print_for("")

    def _score_together(self, called: list[tuple[Request, str, dict[str, Any]]]) -> None:
        single = not self._by_schema and len(self._parameters) == 1
        items = [a[self._name] if single else a for _, _, a in called]
        started = time.perf_counter()
        print_for(_together([request.id for request, _, _ in called]))
        try:
            results = list(finish(self._run_batch(items)))
        except BaseException as error:  # a script may raise anything, `sys.exit()` included
            sys.stderr.write(f"{user_traceback(error)}run_batch() failed; trying one by one\n")
            for request, ids, arguments in called:
                self._score(request, ids, arguments)
            return
        if len(results) != len(called):
            told = f"run_batch() returned {len(results)} results for {len(called)} requests"
            for request, ids, _ in called:
                _unsendable(request, ids, told)
            return
        for (request, ids, _), result in zip(called, results):  # noqa: B905 - needs Python 3.10
            print_for(request.id)
            if isinstance(result, BaseException):
                _failed(request, ids, result)
            else:
                self._reply(request, ids, result, started)

    def _admitted(self, request: Request) -> str | None:
        """The header lines that name the request in its reply; None if it has that already."""
        ids, refusal = identify(request)
        if refusal is not None:
            refuse(request, 431, refusal, ids)
            return None
        if request.method == "OPTIONS" and not self.raw:
            request.respond(200, f"{_OPTIONS}{ids}", b"")
            return None
        return ids

    def _score(self, request: Request, ids: str, arguments: dict[str, Any]) -> None:
        print_for(request.id)
        if self._wants_headers:
            arguments["request_headers"] = RequestHeaders(request.headers)
        started = time.perf_counter()
        try:
            result = finish(self._run(**arguments))
        except BaseException as error:  # a script may raise anything, `sys.exit()` included
            return _failed(request, ids, error)
        self._reply(request, ids, result, started)

    def _reply(self, request: Request, ids: str, result: Any, started: float) -> None:
        """Send what `run`, or `run_batch` for this request, returned."""
        took = _took(started)
        try:
            if is_response(result):
                self._pass_through(request, ids, result, started)
            elif streaming.streams(result):
                self._stream(request, ids, result, started)
            else:
                body, non_finite = _written(request, result)
                lines = f"{JSON}{_NON_FINITE}" if non_finite else JSON
                request.respond(200, f"{lines}{_SUCCEEDED}{took}{ids}", body)
        except UnsendableResult as error:
            _unsendable(request, ids, str(error))
        except BaseException as error:  # code of the script's: a response's iterator, a __str__
            _failed(request, ids, error)

    def _pass_through(self, request: Request, ids: str, result: Any, started: float) -> None:
        response = from_response(result)
        request.failed = response.status >= 500
        lines = response.headers
        if request.failed:
            lines += "x-ms-run-function-failed: True\r\n"
        if isinstance(response.body, bytes):
            request.respond(response.status, f"{lines}{_took(started)}{ids}", response.body)
            return
        source, close = response.body
        # Unlike a bare generator's, its content type is what it says, or nothing.
        pieces = streaming.Pieces(source, response.kind or streaming.TEXT, close)
        streaming.send(
            request,
            response.status,
            lambda: f"{lines}{_took(started)}{ids}",
            pieces,
            self._longest_stream,
        )

    def _stream(self, request: Request, ids: str, result: Any, started: float) -> None:
        pieces = streaming.Pieces(result, self._stream_type)

        def headers() -> str:
            kind = pieces.kind or streaming.TEXT
            fresh = "cache-control: no-cache\r\n" if kind.startswith(streaming.EVENTS) else ""
            return f"content-type: {kind}\r\n{_SUCCEEDED}{fresh}{_took(started)}{ids}"

        streaming.send(request, 200, headers, pieces, self._longest_stream)

    def _arguments(self, request: Request) -> dict[str, Any]:
        if self.signature is not None:
            return self._by_dialect(request, self.signature)
        if request.method == "GET":
            values = request_values.of_query(request.query)
            return self._pick(values) if self._by_schema else {self._name: json.dumps(values)}
        if self._by_schema:
            return self._pick(request_values.of_json(request))
        try:
            return {self._name: str(request.body, "utf-8")}
        except UnicodeDecodeError as error:
            raise BadInput(400, f"Input cannot be decoded as UTF-8: {error}") from None

    def _by_dialect(self, request: Request, signature: Signature) -> dict[str, Any]:
        if request.method == "GET":
            raise BadInput(405, "A model with a signature is asked by POST")
        try:
            question = dialects.read(request.body, signature, self._deployment)
        except typed.BadValue as error:
            raise BadInput(400, str(error)) from None
        request.write = question.answer
        arguments = {self._name: question.data}
        if len(self._parameters) > 1:
            arguments["params"] = question.params
        return arguments

    def _pick(self, values: dict[str, Any]) -> dict[str, Any]:
        picked = {}
        for parameter in self._parameters:
            value = values.get(parameter.name, parameter.default)
            if value is inspect.Parameter.empty:
                raise BadInput(
                    400, f"A value is not provided for the {parameter.name!r} parameter."
                )
            picked[parameter.name] = value
        return picked


def _together(ids: list[str]) -> str:
    """What a batch prints for: the ids of its first requests, and how many more it has."""
    more = f"+{len(ids) - _IDS_OF_BATCH}" if len(ids) > _IDS_OF_BATCH else ""
    return ",".join(ids[:_IDS_OF_BATCH]) + more


class RequestHeaders(dict):  # type: ignore[type-arg]
    """What a script gets as `request_headers`: names in their usual spelling
    (`Content-Type`), found in any."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__((name.title(), value) for name, value in headers.items())

    def __missing__(self, name: str) -> str:
        spelled = name.title()
        if spelled != name and spelled in self:
            return str(self[spelled])
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.title())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.title(), default)


def identify(request: Request) -> tuple[str, str | None]:
    """The header lines that name this request in its reply, and why it is refused, if so."""
    headers = request.headers
    request_id = request.id = headers.get("x-request-id") or request.id or str(uuid.uuid4())
    client = headers.get("x-ms-client-request-id", "")
    legacy = headers.get("x-ms-request-id", "")
    if len(request_id) > _ID_LIMIT:
        return "", f"x-request-id must not exceed {_ID_LIMIT} characters"
    if len(client) > _ID_LIMIT or len(legacy) > _ID_LIMIT:
        return (
            f"x-request-id: {request_id}\r\n",
            f"x-ms-request-id and x-ms-client-request-id must not exceed {_ID_LIMIT} characters",
        )
    client = client or legacy
    lines = f"x-request-id: {request_id}\r\nx-ms-request-id: {legacy or client or request_id}\r\n"
    if client:
        lines += f"x-ms-client-request-id: {client}\r\n"
    if "traceid" in headers:
        lines += f"TraceId: {headers['traceid']}\r\n"
    return lines, None


def _took(started: float) -> str:
    """What the model has taken until its answer, or the first of it, was there."""
    return f"x-ms-run-fn-exec-ms: {(time.perf_counter() - started) * 1000:.3f}\r\n"


def _written(request: Request, result: Any) -> JsonText:
    try:
        return request.write(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsendableResult(
            f"The value that run() returned cannot be written as JSON: {error}"
        ) from None


def _stream_type(script: Script) -> str:
    kind = getattr(script.module, STREAM_TYPE, "")
    if isinstance(kind, str) and kind.isascii() and (kind.isprintable()):
        return kind
    raise ScriptFailed(INIT_FAILED, f"{STREAM_TYPE} is {kind!r}, which is no content type")


def refuse(request: Request, status: int, message: str, headers: str = "") -> None:
    body = json.dumps({"message": message}).encode()
    request.respond(status, f"{JSON}x-ms-run-function-failed: False\r\n{headers}", body)


def refuse_method(request: Request) -> None:
    """`/score` does not know this method."""
    allow = "Allow: GET, POST, OPTIONS\r\n"
    if request.method == "HEAD":
        refuse(request, 405, "Method not allowed", f"{allow}{identify(request)[0]}")
    else:
        refuse(request, 405, NOT_ALLOWED, allow)


def _failed(request: Request, ids: str, error: BaseException) -> None:
    request.failed = True
    body = json.dumps({"message": _GENERIC}).encode()
    note(request, f"run() raised {describe(error)}", user_traceback(error))
    request.respond(500, f"{JSON}x-ms-run-function-failed: True\r\n{ids}", body)


def _unsendable(request: Request, ids: str, message: str) -> None:
    request.failed = True
    body = json.dumps({"message": message}).encode()
    note(request, message)
    request.respond(500, f"{JSON}x-ms-run-function-failed: True\r\n{ids}", body)
