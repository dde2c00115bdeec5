"""What is measured: a server that answers one question, from its start to its end."""

import http.client
import ssl
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from benchmarks import process_tree
from benchmarks.peer_environments import Unavailable
from benchmarks.peers.model import CLASS, ROW

PATIENCE = 120.0
CONCURRENT = 64
"""Requests at once that a model process takes; where it can be set, it is this."""

BODY = f'{{"data": [{ROW}]}}'
EXPECTED = f"[{CLASS}]"


class Wrong(Exception):
    """An answer was not the right one: the run is void."""


@dataclass(frozen=True)
class Question:
    """`expected` is what stands somewhere in the body of a right answer. `body` is sent so many
    `times` over, in one request."""

    url: str
    body: str = BODY
    expected: str = EXPECTED
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def ask(self) -> tuple[int, str]:
        parts = urlsplit(self.url)
        where = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(*where, timeout=10, context=_unchecked())
            if parts.scheme == "https"
            else http.client.HTTPConnection(*where, timeout=10)
        )
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", parts.path, self.body * self.times, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def is_right(self, status: int, body: str) -> bool:
        return status == 200 and self.expected in body


def _unchecked() -> ssl.SSLContext:
    """wrk checks no certificate either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Running:
    """A server that has given its first right answer, `cold_start` seconds after its start."""

    question: Question
    pid: int
    cold_start: float

    def memory(self) -> int:
        return process_tree.memory(self.pid)


class Server(Protocol):
    @property
    def name(self) -> str: ...

    def running(self, processes: int) -> AbstractContextManager[Running]:
        """Started with that many model processes, and ended with all that it started. Raises
        Unavailable."""


def first_answer(question: Question) -> None:
    """Ask until the answer is right. Raises Unavailable when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    told = "nothing listens"
    while time.monotonic() < deadline:
        try:
            status, body = question.ask()
        except (OSError, http.client.HTTPException) as error:
            told = repr(error)
        else:
            if question.is_right(status, body):
                return
            told = f"{status}: {body[:300]}"
        time.sleep(0.02)
    raise Unavailable(f"no right answer within {PATIENCE:.0f} s; the last: {told}")
