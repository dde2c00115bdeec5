"""Which way each request takes, and what the agent answers itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from ..server.exchange import COLLECTED
from ..server.http1 import Head, Refused
from .beside.turn import Turn, rewritten
from .door.caller import Caller, Errand
from .door.own import Own, Question, Refusal, Reply, TurnedAway, as_json
from .door.relay import Relay
from .guard import LIVE, OWN, READY, own_body, own_headers
from .identity.tokens import parsed
from .logs import Log
from .node import READY as IS_READY
from .node import Node
from .units.own_files import OUTPUT
from .units.routes import JOBS, UNITS, UnitRoutes

_SMALL = 16 << 20
_UNIT = 256 << 20
_TAIL = 500
_LONGEST_TAIL = 10_000
_TEXT = "content-type: text/plain; charset=utf-8\r\n"
DRAINING = Reply(
    503,
    own_headers("draining") + "Retry-After: 1\r\n",
    own_body("This node is on its way out; another one takes the request."),
)


class Routes:
    """`drain` begins the node's end."""

    def __init__(self, node: Node, drain: Callable[[], None]) -> None:
        self._node = node
        self._drain = drain
        self._units: UnitRoutes | None = None
        self._own: dict[tuple[str, str], Callable[[Question], Reply]] = {
            ("GET", LIVE): self._live,
            ("GET", READY): self._ready,
            ("GET", "/node/state"): lambda _: as_json(200, node.state()),
            ("GET", "/node/logs"): self._logs,
            ("PUT", "/node/urls"): self._urls,
            ("PUT", "/node/tokens"): self._tokens,
            ("POST", "/node/drain"): self._begin_drain,
        }

    def errand(self, caller: Caller, head: Head, raw: bytes) -> Errand:
        """Raises Refused."""
        node = self._node
        path = head.target.partition("?")[0]
        if path in (LIVE, READY, "/load", COLLECTED) or path.startswith(OWN):
            if node.draining and _begins_something(head.method, path):
                return TurnedAway(caller, DRAINING)
            largest = _UNIT if path.startswith(UNITS) else _SMALL
            return Own(caller, head, self._answer, largest=largest)
        if node.draining:
            return TurnedAway(caller, DRAINING)
        if node.failure is not None:
            return TurnedAway(caller, _failed(node.failure.reason))
        if node.spec.mode != "serve":
            return Own(caller, head, self._answer, largest=_SMALL)
        if not head.http11:
            raise Refused(505, "Requests to a model are passed on in HTTP/1.1.")
        server, gate = node.spec.server, node.gate
        if server is None:
            return Relay(caller, head, raw, node.crew, _unheard)
        target = rewritten(head.target, server)
        if gate is None or target is None:
            return Own(caller, head, self._answer, largest=_SMALL)
        passed = b"%b %b %b" % (head.method.encode(), target.encode("latin-1"), _rest_of(raw))
        return Turn(caller, gate, lambda over: Relay(caller, head, passed, node.crew, over))

    async def _answer(self, question: Question) -> Reply:
        """Raises Refusal."""
        method = "GET" if question.method == "HEAD" else question.method
        answer = self._own.get((method, question.path))
        if answer is not None:
            return answer(question)
        node = self._node
        if (method, question.path) == ("GET", "/load"):
            return as_json(200, await node.load())
        if (method, question.path) == ("POST", COLLECTED):
            return Reply(200, "content-type: application/x-ndjson\r\n", await node.crew.collected())
        if question.path.startswith((UNITS, JOBS)) and node.spec.mode == "work":
            if node.attempts is None:
                raise Refusal(
                    503, "starting", "This node takes no units yet.", "Retry-After: 1\r\n"
                )
            return UnitRoutes(node.attempts).answer(question)
        if (method, question.path) == ("GET", OUTPUT) and node.own_files is not None:
            return await node.own_files.answer(question)
        allowed = [known for known, path in self._own if path == question.path]
        if allowed:
            told = f"Allow: {', '.join(allowed)}\r\n"
            raise Refusal(405, "not-found", "Method not allowed", told)
        raise Refusal(404, "not-found", f"There is nothing at {question.path} of this node.")

    def _live(self, _: Question) -> Reply:
        return Reply(200, _TEXT, b"Alive")

    def _ready(self, _: Question) -> Reply:
        phase = self._node.phase
        return Reply(200 if phase == IS_READY else 503, _TEXT, phase.encode())

    def _begin_drain(self, _: Question) -> Reply:
        self._drain()
        return as_json(202, {"phase": self._node.phase})

    def _logs(self, question: Question) -> Reply:
        node, asked = self._node, parse_qs(question.query)
        logs = {"InferenceServer": node.printed, "StorageInitializer": node.story}
        kind = asked.get("kind", ["InferenceServer"])[-1]
        tail = asked.get("tail", [str(_TAIL)])[-1]
        log: Log | None = logs.get(kind)
        if log is None:
            raise Refusal(400, "bad-request", f"kind is {kind!r}, not one of {', '.join(logs)}.")
        if not (tail.isascii() and tail.isdigit() and int(tail) <= _LONGEST_TAIL):
            raise Refusal(400, "bad-request", f"tail is {tail!r}, not a number up to 10000.")
        lines = log.tail(int(tail))
        return as_json(200, {"lines": [line._asdict() for line in lines]})

    def _urls(self, question: Question) -> Reply:
        urls = _parsed_urls(question.body)
        artifacts = self._node.artifacts
        faults = [f"{name!r} is no file of this node." for name in artifacts.unknown(urls)]
        faults += [
            f"The URL of {name!r} is not one of https or http."
            for name, url in urls.items()
            if not url.startswith(("https://", "http://"))
        ]
        if faults:
            raise Refusal(400, "bad-request", " ".join(faults))
        artifacts.refresh(urls)
        return Reply(204)

    def _tokens(self, question: Question) -> Reply:
        if self._node.spec.identity is None:
            raise Refusal(400, "bad-request", "This node has no identity.")
        try:
            self._node.tokens.replace(parsed(json.loads(question.body)))
        except ValueError as error:
            raise Refusal(400, "bad-request", f"The body has {error}.") from None
        return Reply(204)


def _unheard(_: bool) -> None:
    """Nobody counts it here."""


def _rest_of(raw: bytes) -> bytes:
    """A head from its version on."""
    return raw.split(b" ", 2)[2]


def _begins_something(method: str, path: str) -> bool:
    return method == "POST" and path.startswith(UNITS)


def _failed(reason: str) -> Reply:
    return Reply(503, own_headers("failed"), own_body(reason))


def _parsed_urls(body: bytes) -> dict[str, str]:
    """Raises Refusal."""
    try:
        value: Any = json.loads(body)
        urls = value["urls"]
        if all(isinstance(url, str) for url in urls.values()):
            return dict(urls)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Refusal(400, "bad-request", 'The body is not {"urls": {name: URL}}.')
