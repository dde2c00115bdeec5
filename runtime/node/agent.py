"""The agent's life: the door opens, files come, processes run, all ends in order."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping

from . import logs
from .beside.gate import Gate
from .beside.own_server import OwnServer
from .door.caller import Hall
from .door.listening import Listening, on_tcp, on_unix, tls_context
from .faults import BAD_ARGUMENT, NOT_READY, BadSettings, NodeFailed
from .files.artifacts import Artifacts, Fetched
from .guard import Guard
from .identity.token_door import TokenDoor
from .identity.trust import trusting
from .node import Node
from .processes import kernel
from .processes.children import Children
from .processes.crew import Crew
from .processes.launch import Launch, launches, share
from .processes.worker import Ground, Worker
from .routes import Routes
from .settings import PREFIX, Settings, read
from .single import handed_over
from .units.attempts import Attempts
from .units.own_files import OwnFiles

BAD_SETTINGS = 2
LOST = 3
FAULT = 70
_LONGEST_PATH = 80
"""Bytes of a folder for sockets, whose paths may have 108."""
_PREFIX = "ml-endpoints-life-"
_STEP = 0.02
_FLUSH = 2.0
_PARTING = 2.0
"""Seconds for processes to end once nothing is under way, however little of the drain is left."""


class Agent:
    def __init__(self, settings: Settings, environment: Mapping[str, str], folder: str) -> None:
        """Raises OSError and ValueError where the door cannot be opened."""
        self._settings = settings
        self._environment = environment
        self._folder = folder
        spec = self._spec = settings.spec
        tls = None
        if settings.key:
            tls = tls_context(settings.certificate, settings.key, folder)
        alone = spec.mode == "serve" and spec.serve.workers == 1 and spec.server is None
        self._is_single = alone and tls is None
        self._guard = Guard.of(settings.secret)
        self.loop = asyncio.new_event_loop()
        self.outlet = logs.outlet()
        printed, story = logs.Log(self.outlet), logs.Log(self.outlet)
        artifacts = Artifacts(spec, settings.data, story)
        self.node = Node(settings.id, spec, printed, story, artifacts)
        routes = Routes(self.node, self._drain)
        if spec.server is not None:
            self.node.gate = Gate(self.loop, spec.serve)
        self._hall = Hall(self.loop, self._guard, routes.errand)
        self._listener = on_tcp(settings.host, settings.port)
        self._door = Listening(self._hall, self._listener, tls)
        self._side_path = os.path.join(folder, "agent")
        self._side_door = Listening(self._hall, on_unix(self._side_path), None)
        self._token_door: TokenDoor | None = None
        if spec.identity is not None:
            door = spec.identity.port, spec.identity.secret
            self._token_door = TokenDoor(self.node.tokens, *door)
        self._stopping: asyncio.Event
        self.lost = ""

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def run(self) -> None:
        """Until SIGTERM, and what comes after it."""
        self._stopping = asyncio.Event()  # of this loop, on every Python
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._stop)
        children = Children(self.loop)
        self._hall.patrol()
        self._door.open(True)
        self._side_door.open(True)
        if self._token_door is not None:
            await self._token_door.open()
        self.node.printed.note(f"The node {self.node.id} listens on port {self.port}.")
        preparing = self.loop.create_task(self._prepare(children))
        await self._stopping.wait()
        await self._end()
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)
        await self.node.crew.end(0)
        self._door.close()
        self._side_door.close()
        if self._token_door is not None:
            self._token_door.close()
        children.kill_all()

    # -- the beginning

    async def _prepare(self, children: Children) -> None:
        node = self.node
        try:
            fetched = await self.loop.run_in_executor(None, node.artifacts.fetch)
            self._man(children, fetched)
        except NodeFailed as failure:
            if not node.draining:
                node.failure = failure
                node.printed.note(f"{failure.code}: {failure.reason}")
        except Exception as fault:  # one of ours must show, and not look like files that are slow
            traceback.print_exc()
            node.failure = NodeFailed(NOT_READY, f"The agent failed as it began: {fault!r}.")

    def _man(self, children: Children, fetched: Fetched) -> None:
        node, spec = self.node, self._spec
        if spec.server is not None:
            node.crew = Crew([OwnServer(spec, node.printed, self._changed, self._lose)])
            node.fetched = True
            node.crew.start()
            return
        inherited = (self._listener.fileno(),) if self._is_single else ()
        log = node.printed
        ground = Ground(
            children, logs.Pump(log), log, self._folder, spec.liveness, spec.readiness, inherited
        )
        workers = [
            Worker(
                number, self._with_door(launch), ground, self._changed, share=self._share(number)
            )
            for number, launch in enumerate(launches(spec, fetched, self._usual(), self._output()))
        ]
        node.crew = Crew(workers)
        node.fetched = True
        if spec.mode == "work":
            node.attempts = Attempts(node.crew, workers, spec.work.kept)
        if not node.draining:
            node.crew.start()

    def _usual(self) -> Mapping[str, str]:
        """The container's variables, and those by which its processes are somebody."""
        identity = self._spec.identity
        if identity is None or self._token_door is None:
            return self._environment
        trusted = trusting(self._folder, identity.authorities, self._environment)
        lent = {**self._token_door.variables, **identity.variables, **trusted}
        return {**self._environment, **lent}

    def _output(self) -> str:
        """A folder for the scripts' own files, made; '' where they have none."""
        if not self._spec.work.output:
            return ""
        folder = os.path.join(self._settings.data, "output")
        os.makedirs(folder, exist_ok=True)
        self.node.own_files = OwnFiles(folder)
        return folder

    def _with_door(self, launch: Launch) -> Launch:
        if not self._is_single:
            return launch
        given = handed_over(self._listener.fileno(), self._guard, self._side_path)
        return launch._replace(environment={**launch.environment, **given})

    def _share(self, number: int) -> int:
        if self._spec.mode == "work":
            return 1
        return share(self._spec.serve.max_concurrent, self._spec.serve.workers, number)

    def _changed(self) -> None:
        node = self.node
        if self._is_single:
            # One process answers at the door itself, while it can.
            self._door.open(node.draining or not node.crew.ready)
        if node.attempts is not None:
            node.attempts.grant()

    # -- the end

    def _lose(self, reason: str) -> None:
        """The server beside it answers no more: somebody has to start it again, and this."""
        self.lost = reason
        self._stop()

    def _stop(self) -> None:
        self._drain()
        self._stopping.set()

    def _drain(self) -> None:
        """Nothing new is begun; what is under way goes on."""
        node = self.node
        if node.draining:
            return
        node.draining = self._hall.closing = True
        node.printed.note("Nothing new is taken: the node is drained.")
        node.artifacts.stop()
        if node.attempts is not None:
            node.attempts.close("The node was drained before the unit began.")
        if self._is_single:
            # It drains itself; what comes meanwhile is answered here.
            self._door.open(True)
        if self._is_single or self._spec.work.output:
            # (What scripts write as they end is to be had before the agent ends.)
            for worker in node.crew.workers:
                worker.end()

    async def _end(self) -> None:
        node, loop = self.node, self.loop
        ends = loop.time() + self._spec.drain_seconds
        while self._is_busy() and loop.time() < ends:  # noqa: ASYNC110 - of many things' states
            await asyncio.sleep(_STEP)
        self._hall.close_idle()
        if node.attempts is not None:
            node.attempts.cancel()
        left = ends - loop.time()
        await node.crew.end(max(left, _PARTING))

    def _is_busy(self) -> bool:
        node = self.node
        if node.attempts is not None:
            # What has ended is to be collected.
            return bool(node.attempts.all)
        if self._is_single:
            return not all(worker.is_over for worker in node.crew.workers)
        return self._hall.busy > 0


def main(argv: list[str]) -> int:
    if argv:
        print("usage: runtime node (docs/node-agent.md has its variables)", file=sys.stderr)
        return BAD_SETTINGS
    try:
        settings = read(os.environ)
    except BadSettings as bad:
        return _refuse(list(bad.faults))
    environment = dict(os.environ)
    kernel.guard_memory()
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    try:
        folder = _folder(settings.data)
    except OSError as error:
        return _refuse([f"{settings.data} cannot be written to: {error.strerror}."])
    try:
        agent = Agent(settings, environment, folder)
    except (OSError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _refuse([f"The door cannot be opened: {error}."])
    code = 0
    try:
        agent.loop.run_until_complete(agent.run())
    except BaseException:  # whatever it is, it must show
        traceback.print_exc()
        code = FAULT
    shutil.rmtree(folder, ignore_errors=True)
    agent.outlet.flush(_FLUSH)
    if agent.lost:
        code = LOST
        print(json.dumps({"code": NOT_READY, "message": agent.lost}), file=sys.stderr)
    sys.stderr.flush()
    # Threads that still fetch, or write to somebody who does not read, hold nothing up.
    os._exit(code)


def _folder(data: str) -> str:
    """For sockets and scratch, of this life alone; what lives that were killed have left goes.
    Raises OSError."""
    os.makedirs(data, exist_ok=True)
    place = data if len(os.fsencode(data)) < _LONGEST_PATH else tempfile.gettempdir()
    for name in os.listdir(place):
        if name.startswith(_PREFIX) and _lock(os.path.join(place, name)) is not None:
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
    _lock(folder)
    return folder


def _lock(folder: str) -> int | None:
    """Hold it for as long as this process lives; None: another one does, or it is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _refuse(faults: list[str]) -> int:
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    message = " ".join(faults)
    print(json.dumps({"code": BAD_ARGUMENT, "message": message}), file=sys.stderr)
    return BAD_SETTINGS
