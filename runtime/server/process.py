"""The shape of every server process: the script has the main thread, HTTP has its own.

`init` and the first worker share the main thread, as scripts expect (signal handlers, SQLite
connections, CUDA contexts). The socket is bound before the script is imported, so probes are
answered from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, Protocol

from ..script import EXIT_CODE, ScriptFailed
from . import lifeline, printing
from .client_connection import Connection, Site
from .exchange import Request
from .http1 import Head
from .pool import Pool

_DRAIN_GRACE = 0.1
_DRAIN_STEP = 0.02
_HELD = 1.5
"""Seconds for which a process that is to end waits for who comes for what it holds."""
_EXIT_GRACE = 5.0
_LOADING = 50_000
"""New objects between two collections while the script is loaded."""
_SWITCH = 0.0005
"""Seconds for which a thread that computes may keep the others waiting."""
_GIVEN = "fd:"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Application(Protocol):
    """What `serve` and `work` add."""

    pool: Pool
    ready: bool
    draining: bool

    @property
    def holds(self) -> bool:
        """Whether something is here that somebody will come for."""

    def handle(self, request: Request) -> None:
        """On the I/O loop: answer, or hand it to the pool."""

    def prepare(self) -> None:
        """In the main thread: load the script. Raises ScriptFailed."""

    def finish(self) -> None:
        """In the main thread, after the last request."""


class Door(Protocol):
    """Another way in, for those who `guard` lets pass."""

    @property
    def listener(self) -> socket.socket: ...

    @property
    def guard(self) -> Callable[[Head], None]: ...

    def handler(self, application: Application) -> Callable[[Request], None]: ...


def run(
    application: Application,
    loop: asyncio.AbstractEventLoop,
    socket_path: str,
    *,
    max_body: int,
    door: Door | None,
) -> int:
    """Serve until SIGTERM, at the socket and at the door, if there is one; the process's exit
    code."""
    lifeline.hold()
    _prepare_output()
    signals, wakeup = _catch_signals()
    listener = _bind(socket_path)
    server = Server(application, loop, listener, signals, max_body, door)
    server.start()
    usual = gc.get_threshold()
    # Imports make objects that stay: to look for garbage among them every 700 takes a tenth of
    # their time.
    gc.set_threshold(_LOADING, *usual[1:])
    try:
        application.prepare()
    except ScriptFailed as failure:
        failure.report()
        server.leave(EXIT_CODE)
    # What the script has loaded stays: a full collection need not go through it, while everybody
    # waits, again and again. And a busy script lets the thread that answers have its turn sooner.
    if gc.get_threshold()[0] == _LOADING:  # else the script has chosen its own
        gc.set_threshold(*usual)
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH))
    application.pool.start(1)
    application.ready = True
    server.open_door()
    application.pool.work(0)
    application.finish()
    server.stop()
    printing.write_out()
    server.clear()
    signal.set_wakeup_fd(-1)
    wakeup.close()
    # Threads that the script left running may not hold up the exit for ever.
    backstop = threading.Timer(_EXIT_GRACE, os._exit, (0,))
    backstop.daemon = True
    backstop.start()
    return 0


class Server:
    """The I/O thread."""

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        signals: socket.socket,
        max_body: int,
        door: Door | None,
    ) -> None:
        self._application = application
        self._loop = loop
        self._listeners = [listener]
        self._door = door
        self._sites: list[Site] = []
        self._servers: list[asyncio.AbstractServer] = []
        self._path = str(listener.getsockname())
        self._signals = signals
        self._max_body = max_body
        self._thread = threading.Thread(target=self._main, name="http", daemon=True)
        self._started = threading.Event()
        self._held = 0.0
        self._code: int | None = None

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_EXIT_GRACE)

    def clear(self) -> None:
        """Leave nothing behind: no socket, no process."""
        with contextlib.suppress(OSError):  # it is gone, or not within reach
            os.unlink(self._path)
        lifeline.release()

    def leave(self, code: int) -> NoReturn:
        """End now, whatever the script's threads are doing."""
        # `clear` asks this process to end as well: the other thread may hear that and be the one
        # that ends it, with the code of whoever came first.
        if self._code is None:
            self._code = code
        printing.write_out()
        self.clear()
        os._exit(self._code)

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
            self._loop.run_forever()
        except BaseException:  # without its I/O the process is of no use: end it, visibly
            sys.excepthook(*sys.exc_info())
            os._exit(70)

    async def _listen(self) -> None:
        loop = self._loop
        handle, dropped = self._application.handle, self._application.pool.drop
        site = Site(loop, handle, dropped, max_body=self._max_body)
        self._sites.append(site)
        self._servers.append(
            await loop.create_unix_server(
                lambda: Connection(site), sock=self._listeners[0], backlog=1024
            )
        )
        loop.add_reader(self._signals.fileno(), self._on_signal)
        site.patrol()
        self._started.set()

    def open_door(self) -> None:
        """Let in who comes by the door, now that nothing but their requests can go wrong."""
        if self._door is not None:
            asyncio.run_coroutine_threadsafe(self._open(self._door), self._loop).result()

    async def _open(self, door: Door) -> None:
        application = self._application
        if application.draining:
            return
        handle, dropped = door.handler(application), application.pool.drop
        site = Site(self._loop, handle, dropped, max_body=self._max_body, guard=door.guard)
        site.patrol()
        self._sites.append(site)
        self._listeners.append(door.listener)
        server = await self._loop.create_server(
            lambda: Connection(site), sock=door.listener, backlog=1024
        )
        self._servers.append(server)

    def _on_signal(self) -> None:
        if any(number in self._signals.recv(4096) for number in _SIGNALS):
            self._drain()

    def _drain(self) -> None:
        """Serve who comes in the next moment (the host may just be sending), then take no new
        connection, finish what has come, and let the main thread go."""
        if self._application.draining:
            return
        self._application.draining = True
        for site in self._sites:
            site.draining = True
        if not self._application.ready:
            self.leave(0)
        self._loop.call_later(_DRAIN_GRACE, self._stop_listening)

    def _stop_listening(self) -> None:
        if self._application.holds and self._held < _HELD:
            self._held += _DRAIN_STEP
            self._loop.call_later(_DRAIN_STEP, self._stop_listening)
            return
        # In two steps: asyncio forgets, without closing it, a connection that it has accepted
        # but not yet announced when its server is closed.
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())
        self._loop.call_later(_DRAIN_STEP, self._close)

    def _close(self) -> None:
        for server in self._servers:
            server.close()
        self._drained()

    def _drained(self) -> None:
        pool = self._application.pool
        for site in self._sites:
            site.close_idle()
        if pool.unanswered or any(site.connections for site in self._sites):
            self._loop.call_later(_DRAIN_STEP, self._drained)
        elif pool.overrun:
            # Its thread will not come back, and everybody has been answered.
            self.leave(0)
        else:
            pool.stop()


def _catch_signals() -> tuple[socket.socket, socket.socket]:
    """A socket that tells of SIGTERM, and its other end, to be kept. Not a handler in Python:
    that would wait for the main thread, which may be deep in the script's C code."""
    signals, wakeup = socket.socketpair()
    signals.setblocking(False)
    wakeup.setblocking(False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget_signals)
    return signals, wakeup


def _forget_signals() -> None:
    # A forked child's SIGTERM must not look like ours.
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _bind(path: str) -> socket.socket:
    """`fd:N` is one that was bound before this process was kept from its place."""
    if path.startswith(_GIVEN):
        return socket.socket(fileno=int(path[len(_GIVEN) :]))
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(1024)
    return listener


def _prepare_output() -> None:
    """Whatever a script prints goes to the log at once."""
    printing.install()
    if sys.stderr is not None:
        faulthandler.enable()
