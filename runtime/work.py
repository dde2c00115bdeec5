"""`work`: one mini-batch worker of a batch job."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from .batch import units
from .batch.prefetch import Prefetch
from .batch.pyfunc.mlflow_files import MlflowFiles
from .batch.store import loans, web
from .online.responses import JSON
from .script import Script, data_parameters, load, user_traceback
from .server import process
from .server.exchange import Request
from .server.pool import Pool

_TEXT = "content-type: text/plain; charset=utf-8\r\n"
_NDJSON = "content-type: application/x-ndjson\r\n"
_MAX_BODY = 256 << 20


class MiniBatchWorker:
    """Runs one unit at a time, in the main thread; probes are answered meanwhile."""

    def __init__(self, arguments: argparse.Namespace, loop: asyncio.AbstractEventLoop) -> None:
        self._arguments = arguments
        self.ready = False
        self.draining = False
        self._script: Script | None = None
        self._ahead = Prefetch()
        self.pool = Pool(
            loop,
            self._execute,
            max_concurrent=1,
            max_queue=0,
            on_late=lambda _: None,
            on_overrun=lambda _: None,
        )

    def prepare(self) -> None:
        script = self._loaded()
        data_parameters(script.run)
        script.init()
        self._script = script

    def _loaded(self) -> Script:
        root = self._arguments.app_root
        if self._arguments.mlflow:
            return Script(MlflowFiles(root))
        return load(root, self._arguments.script)

    @property
    def holds(self) -> bool:
        return False

    def finish(self) -> None:
        if self._script is not None:
            self._script.shutdown()

    def handle(self, request: Request) -> None:
        path = request.path
        if path == "/units":
            self._take(request)
        elif path == "/prepare":
            self._prepare(request)
        elif path == "/renew":
            self._renew(request)
        elif path != "/":
            _refuse(request, 404, f"There is nothing at {path}.")
        elif request.method != "GET":
            _refuse(request, 405, "Method not allowed")
        elif not self.ready:
            request.respond(503, _TEXT, b"Starting")
        elif self.draining:
            request.respond(503, _TEXT, b"Draining")
        else:
            request.respond(200, _TEXT, b"Healthy")

    def _take(self, request: Request) -> None:
        if request.method != "POST":
            _refuse(request, 405, "Method not allowed")
        elif not self.ready or self.draining:
            _refuse(request, 503, "This worker takes no units now.")
        elif not self.pool.offer(request):
            _refuse(request, 409, "This worker is running a unit.")

    def _prepare(self, request: Request) -> None:
        """Begin to fetch what a unit that may come next will read first."""
        try:
            unit = units.seen(units.parse(request.body))
        except units.BadUnit as error:
            _refuse(request, 400, str(error))
            return
        web.believe(unit.authority)
        for mini_batch in unit.mini_batches[:1]:
            self._ahead.begin(mini_batch.inputs)
        request.respond(202, _TEXT, b"Fetching")

    def _renew(self, request: Request) -> None:
        """The unit that runs, with URLs that are good for longer than those it came with."""
        try:
            unit = units.parse(request.body)
        except units.BadUnit as error:
            _refuse(request, 400, str(error))
            return
        loans.renew(unit.urls)
        request.respond(202, _TEXT, b"Renewed")

    def _execute(self, request: Request) -> None:
        """Never raises."""
        script = self._script
        if script is None:
            request.failed = True
            _refuse(request, 503, "This worker takes no units now.")
            return
        try:
            unit = units.seen(units.parse(request.body))
        except units.BadUnit as error:
            request.failed = True
            _refuse(request, 400, str(error))
            return
        web.believe(unit.authority)
        stream = request.stream(200, _NDJSON)
        try:
            units.execute(unit, script.run, stream, self._ahead)
        except BaseException as error:  # ours to the core: the host must see a cut stream
            request.failed = True
            sys.stderr.write(user_traceback(error))
            stream.abort()


def _refuse(request: Request, status: int, message: str) -> None:
    request.respond(status, JSON, json.dumps({"message": message}).encode())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="runtime work")
    parser.add_argument("--socket", required=True)
    run = parser.add_mutually_exclusive_group(required=True)
    run.add_argument("--script", help="relative to the app root")
    run.add_argument(
        "--mlflow", action="store_true", help="the app root is an MLflow model, without a script"
    )
    parser.add_argument("--app-root", required=True)
    arguments = parser.parse_args(argv)
    loop = asyncio.new_event_loop()
    worker = MiniBatchWorker(arguments, loop)
    return process.run(worker, loop, arguments.socket, max_body=_MAX_BODY, door=None)
