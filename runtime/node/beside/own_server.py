"""A server of the user's own, in a container beside the agent's: watched by its routes. Whoever
has put it there starts it again; the agent ends when it does not answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..door.asking import Lost, ask
from ..door.upstream import Way
from ..faults import NOT_READY, NodeFailed
from ..logs import Log
from ..processes.probes import (
    NeverReady,
    Unresponsive,
    until_ready,
    watch_liveness,
    watch_readiness,
)
from ..processes.worker import LastDeath
from ..spec import Probe, Route, Spec

BEGINS = 60.0
"""Seconds that a server may take until it listens, beside what its readiness probe gives it."""
_NOTHING = "nobody has answered yet"
_PAUSE = 0.05
KEPT = 1.0
"""Seconds for which a connection that is idle is used again: servers close theirs, soon after."""


class OwnServer:
    """Watched from `start` until `end`, or until it has `failure`. `changed` is called when `ready`
    or `failure` may have changed, `gone` with the reason once it was ready and answers no more."""

    number = 0
    restarts = 0
    silent = False
    last_death: LastDeath | None = None

    def __init__(
        self, spec: Spec, log: Log, changed: Callable[[], None], gone: Callable[[str], None]
    ) -> None:
        if spec.server is None:
            raise ValueError("the spec names no server")
        self._spec = spec
        self._server = spec.server
        self._log = log
        self._changed = changed
        self._gone = gone
        self._trouble = _NOTHING
        self._task: asyncio.Task[None] | None = None
        self.share = spec.serve.max_concurrent
        self.ready = False
        self.failure: NodeFailed | None = None
        loop = asyncio.get_running_loop()
        ports = {self._server.scoring.port, self._server.liveness.port, self._server.readiness.port}
        self._ways = {port: Way(loop, port, kept=KEPT) for port in ports}

    @property
    def way(self) -> Way | None:
        return self._ways[self._server.scoring.port]

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="own server")

    def end(self) -> None:
        """What is under way goes on: it is the server's."""

    @property
    def is_over(self) -> bool:
        return self._task is None or self._task.done()

    async def over(self) -> None:
        """There is nothing to wait for."""

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for way in self._ways.values():
            way.close()

    async def _watch(self) -> None:
        spec, server = self._spec, self._server
        await self._come()
        try:
            await until_ready(
                spec.readiness, self._probed(server.readiness, spec.readiness), self._why
            )
        except NeverReady as never:
            self.failure = NodeFailed(NOT_READY, str(never))
            self._log.note(str(never))
            self._changed()
            return
        self._set_ready(True)
        asking = asyncio.create_task(
            watch_readiness(
                spec.readiness, self._probed(server.readiness, spec.readiness), self._set_ready
            )
        )
        try:
            await watch_liveness(spec.liveness, self._probed(server.liveness, spec.liveness))
        except Unresponsive as unresponsive:
            self._set_ready(False)
            self._gone(f"{unresponsive} The last one: {self._trouble}.")
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _come(self) -> None:
        """Somebody listens at one of its ports, or nobody has for long: its container is begun
        after the agent's, and only then does its probe's time begin."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + BEGINS
        while loop.time() < ends:
            for port, way in self._ways.items():
                try:
                    upstream = await way.connect()
                except OSError:
                    if port == self._server.scoring.port:
                        self._troubled(f"port {port}: nobody listens there")
                    continue
                upstream.give_up()
                return
            await asyncio.sleep(_PAUSE)

    def _probed(self, route: Route, probe: Probe) -> Callable[[float], asyncio.Future[bool]]:
        async def answers(timeout: float) -> bool:
            try:
                status, _ = await ask(self._ways[route.port], "GET", route.path, timeout=timeout)
            except Lost as lost:
                if timeout < probe.timeout and self._trouble != _NOTHING:
                    return False  # cut short, it tells less than the look before
                told = f"GET {route.path}: {lost}" if lost.sent else "nobody listens there"
                self._troubled(f"port {route.port}: {told.rstrip('.')}")
                return False
            if 200 <= status < 400:
                return True
            self._troubled(f"port {route.port}: GET {route.path}: status {status}")
            return False

        return lambda timeout: asyncio.ensure_future(answers(timeout))

    def _troubled(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._log.note(f"The server is not as it should be: {trouble}.")

    def _why(self) -> str:
        return self._trouble

    def _set_ready(self, ready: bool) -> None:
        self._log.note("The server is ready." if ready else "The server is not ready any more.")
        self.ready = ready
        self._changed()
