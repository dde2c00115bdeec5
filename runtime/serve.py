"""`serve`: the inference server of one instance of an online deployment."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from typing import Any
from urllib.parse import parse_qs

from . import debugging
from .online import batching, monitoring, services, streaming
from .online.batching import BatchingPool
from .online.monitoring import collected
from .online.pyfunc import MlflowModel
from .online.responses import JSON
from .online.schema import Documents, NoDocument
from .online.scoring import NOT_ALLOWED, NOT_FOUND, Scoring, identify, refuse, refuse_method
from .script import FUNCTION_NOT_FOUND, INIT_FAILED, Script, ScriptFailed, load
from .server import process
from .server.exchange import COLLECTED, Request
from .server.notes import note_from_loop
from .server.pool import Pool

_TEXT = "content-type: text/plain; charset=utf-8\r\n"
_LINES = "content-type: application/x-ndjson\r\n"
_SCORE_METHODS = ("POST", "GET", "OPTIONS")
_MAX_BODY = 1 << 30


class InferenceServer:
    """Answers probes, `/load` and `/swagger.json` on the loop; `/score` in a worker."""

    def __init__(self, arguments: argparse.Namespace, loop: asyncio.AbstractEventLoop) -> None:
        self._arguments = arguments
        self.ready = False
        self.draining = False
        self._scoring: Scoring | None = None
        self._documents: Documents | None = None
        self._bad_limit = ""
        self._batches = self._joined = None
        self._longest_stream = 0
        try:
            self._longest_stream = streaming.longest()
            if arguments.mlflow:
                self._joined = batching.joined()
            else:
                self._batches = batching.limits()
        except (batching.BadLimit, streaming.BadLimit) as error:
            self._bad_limit = str(error)
        self.pool = self._pool(loop)

    def _pool(self, loop: asyncio.AbstractEventLoop) -> Pool:
        arguments = self._arguments
        settings: dict[str, Any] = {
            "max_concurrent": arguments.max_concurrent,
            "max_queue": arguments.max_queue,
            "queue_wait": arguments.queue_wait_ms / 1000,
            "timeout": arguments.timeout_ms / 1000,
            "on_late": self._refuse_overload,
            "on_overrun": self._tell_overrun,
        }
        if self._batches is None:
            return Pool(loop, self._answer, **settings)
        return BatchingPool(
            loop, self._answer, run_batch=self._answer_batch, limits=self._batches, **settings
        )

    def prepare(self) -> None:
        if self._bad_limit:
            raise ScriptFailed(INIT_FAILED, self._bad_limit)
        script = self._script()
        deployment = self._arguments.deployment
        scoring = Scoring(script, deployment, self._longest_stream)
        if self._batches is not None:
            _check_batches(script, raw=scoring.raw)
        scoring.initialize()
        self._scoring = scoring
        self._documents = Documents(
            script.run, self._arguments.app_root, deployment, scoring.signature
        )

    def _script(self) -> Script:
        root = self._arguments.app_root
        if self._arguments.mlflow:
            return Script(MlflowModel(root, self._joined))
        services.offer()
        monitoring.offer()
        debugging.offer()
        return load(debugging.code_folder(root), self._arguments.script)

    def finish(self) -> None:
        """Nothing: online scripts have no `shutdown`."""

    @property
    def holds(self) -> bool:
        """Whether something is here for somebody who comes for it."""
        here = collected.current()
        return here.is_fetched and not here.is_empty

    def handle(self, request: Request) -> None:
        path = request.path
        if path == "/score":
            self._score(request)
        elif path == COLLECTED:
            self._collected(request)
        elif path not in ("/", "/load", "/swagger.json"):
            refuse(request, 404, NOT_FOUND)
        elif request.method not in ("GET", "HEAD"):
            refuse(request, 405, NOT_ALLOWED, "Allow: GET\r\n")
        elif path == "/":
            self._health(request)
        elif path == "/load":
            request.respond(200, JSON, json.dumps(self._load()).encode())
        else:
            self._document(request)

    def _answer(self, request: Request) -> None:
        if self._scoring is not None:
            self._scoring.answer(request)

    def _answer_batch(self, requests: list[Request]) -> None:
        if self._scoring is not None:
            self._scoring.answer_batch(requests)

    def _score(self, request: Request) -> None:
        if request.method not in _SCORE_METHODS:
            refuse_method(request)
        elif not self.ready:
            ids, _ = identify(request)
            headers = f"Retry-After: 1\r\nms-azureml-model-error-reason: model_not_ready\r\n{ids}"
            refuse(request, 503, "The scoring script's init() has not finished yet.", headers)
        elif not self.pool.offer(request):
            self._refuse_overload(request)

    def _health(self, request: Request) -> None:
        pool = self.pool
        if not self.ready:
            status, text = 503, b"Starting"
        elif self.draining:
            status, text = 503, b"Draining"
        elif pool.stuck:
            status, text = 503, b"Stuck: every run() is past its time limit"
        else:
            status, text = 200, b"Healthy"
        request.respond(status, _TEXT, text)

    def _load(self) -> dict[str, float]:
        pool = self.pool
        return {
            "in_flight": pool.in_flight,
            "queued": pool.queued,
            "max_concurrent": pool.max_concurrent,
            "max_queue": pool.max_queue,
            "served": pool.served,
            "failed": pool.failed,
            "overrun": pool.overrun,
            "average": round(pool.average, 3),
            "idle_seconds": round(pool.idle, 3),
        }

    def _collected(self, request: Request) -> None:
        if request.method != "POST":
            refuse(request, 405, NOT_ALLOWED, "Allow: POST\r\n")
        else:
            request.respond(200, _LINES, collected.current().take())

    def _document(self, request: Request) -> None:
        if self._documents is None:
            refuse(request, 503, "The scoring script's init() has not finished yet.")
            return
        ids, refusal = identify(request)
        version = parse_qs(request.query, keep_blank_values=True).get("version", ["2"])[0]
        try:
            if refusal is not None:
                refuse(request, 431, refusal, ids)
            else:
                headers = f"{JSON}x-ms-run-function-failed: False\r\n{ids}"
                request.respond(200, headers, self._documents.get(version))
        except NoDocument as error:
            refuse(request, 404, str(error), ids)

    def _refuse_overload(self, request: Request) -> None:
        ids, _ = identify(request)
        load = self._load()
        wait = self._arguments.queue_wait_ms
        message = (
            f"The deployment {self._arguments.deployment} is at its limit: "
            f"{load['in_flight']} of {load['max_concurrent']} concurrent requests are running and "
            f"{load['queued']} of {load['max_queue']} are waiting, each for at most {wait} ms."
        )
        headers = (
            f"{JSON}Retry-After: 1\r\n"
            f"ms-azureml-model-error-reason: too_many_pending_request\r\n{ids}"
        )
        del load["average"], load["idle_seconds"]
        body = {"message": message, "max_queue_wait_ms": wait, **load}
        request.respond(429, headers, json.dumps(body).encode())

    def _tell_overrun(self, request: Request) -> None:
        ids, _ = identify(request)
        limit = self._arguments.timeout_ms
        body = {"message": f"Scoring timeout after {limit} ms"}
        headers = f"{JSON}x-ms-run-function-failed: True\r\n{ids}"
        whole_limit = time.perf_counter() >= request.ends
        if request.respond(500, headers, json.dumps(body).encode()):
            request.failed = True
            request.give_up()
            note_from_loop(request, f"run() gave nothing for {limit} ms (requestTimeout)")
        elif request.cut():
            request.failed = True
            why = f"nothing more came for {limit} ms (requestTimeout)"
            if whole_limit:
                why = f"it took longer than {self._longest_stream} s ({streaming.LONGEST})"
            note_from_loop(request, f"the answer broke off: {why}")


def _check_batches(script: Script, *, raw: bool) -> None:
    if raw:
        told = "run() has @rawhttp, which knows one request at a time"
    elif not script.batches:
        told = "the script does not define run_batch()"
    else:
        return
    raise ScriptFailed(FUNCTION_NOT_FOUND, f"{batching.MAX_BATCH} asks for batches, but {told}")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="runtime serve")
    parser.add_argument("--socket", required=True)
    served = parser.add_mutually_exclusive_group(required=True)
    served.add_argument("--script", help="relative to the app root")
    served.add_argument(
        "--mlflow", action="store_true", help="the app root is an MLflow model, without a script"
    )
    parser.add_argument("--app-root", required=True)
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--max-concurrent", type=_positive, default=1)
    parser.add_argument("--max-queue", type=int, default=1)
    parser.add_argument("--queue-wait-ms", type=int, default=500)
    parser.add_argument("--timeout-ms", type=_positive, default=5000)
    parser.add_argument("--max-body", type=_positive, default=_MAX_BODY, help="bytes")
    arguments = parser.parse_args(argv)
    loop = asyncio.new_event_loop()
    server = InferenceServer(arguments, loop)
    limit = arguments.max_body
    return process.run(server, loop, arguments.socket, max_body=limit, door=_door())


def _door() -> process.Door | None:
    """Of a node whose only process this is."""
    if "ML_ENDPOINTS_NODE_DOOR" not in os.environ:
        return None
    from .node.single import taken

    return taken()
