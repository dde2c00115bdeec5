"""What a node's only process does of the door: it has the listening socket and answers TCP
itself, so that no request takes a second hop."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..server.exchange import COLLECTED, Request
from .guard import LIVE, OWN, READY, SECRET, Guard, own_body, own_headers

VARIABLE = "ML_ENDPOINTS_NODE_DOOR"
_TEXT = "content-type: text/plain; charset=utf-8\r\n"
_PATIENCE = 30.0


class Application(Protocol):
    """What the process serves."""

    draining: bool

    def handle(self, request: Request) -> None: ...


class Door(NamedTuple):
    listener: socket.socket
    guard: Guard
    agent: str

    def handler(self, application: Application) -> Callable[[Request], None]:
        """The application's, behind the door."""

        def handle(request: Request) -> None:
            target = request.target
            if target == LIVE:
                request.respond(200, _TEXT, b"Alive")
            elif target.startswith(OWN) or target == READY:
                # Readiness too: what the agent does not know yet, it does not do yet.
                threading.Thread(target=_pass_on, args=(request, self.agent), daemon=True).start()
            elif application.draining and request.path != COLLECTED:
                message = "This node is on its way out; another one takes the request."
                headers = own_headers("draining") + "Retry-After: 1\r\n"
                request.respond(503, headers, own_body(message))
            else:
                application.handle(request)

        return handle


def handed_over(descriptor: int, guard: Guard, agent: str) -> dict[str, str]:
    """The environment by which a process is given the door."""
    given = {"fd": descriptor, "digest": guard.digest.hex(), "mark": guard.mark, "agent": agent}
    return {VARIABLE: json.dumps(given)}


def taken() -> Door | None:
    """What this process was given, before a script can see it."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return None
    value: dict[str, Any] = json.loads(given)
    listener = socket.socket(fileno=value["fd"])
    listener.set_inheritable(False)
    guard = Guard(bytes.fromhex(value["digest"]), value["mark"])
    return Door(listener, guard, value["agent"])


class _Agent(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("node", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def _pass_on(request: Request, agent: str) -> None:
    """What is the agent's to answer."""
    connection = _Agent(agent)
    try:
        shown = {SECRET: request.headers.get(SECRET, "")}
        connection.request(request.method, request.target, request.body, shown)
        answer = connection.getresponse()
        body = answer.read()
        lines = [f"{name}: {value}\r\n" for name, value in answer.getheaders() if _kept(name)]
    except (OSError, http.client.HTTPException) as error:
        message = own_body(f"The agent does not answer: {error!r}.")
        request.respond(503, own_headers("starting") + "Retry-After: 1\r\n", message)
    else:
        request.mark = ""  # the agent's own is among them
        request.respond(answer.status, "".join(lines), body)
    finally:
        connection.close()


def _kept(name: str) -> bool:
    return name.lower() not in ("connection", "content-length", "x-ms-server-version")
