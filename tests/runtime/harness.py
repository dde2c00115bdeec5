"""A client for the runtime's processes: raw bytes over their Unix socket."""

import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tests.kit.waiting import PATIENCE, until


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A raw client connection that reads whole replies: over a Unix socket, or on loopback."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        self._held = b""
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
        )
        self.send(head.encode() + body)

    def line(self) -> bytes:
        while b"\r\n" not in self._held:
            self._more()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        data, self._held = self._held[:count], self._held[count:]
        return data

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self.line().split()[1])
        headers = {}
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def chunk(self) -> bytes:
        data = self.exactly(int(self.line(), 16))
        assert self.line() == b""
        return data

    def reply(self) -> Reply:
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while piece := self.chunk():
                pieces.append(piece)
            return Reply(status, headers, b"".join(pieces))
        return Reply(status, headers, self.exactly(int(headers.get("content-length", 0))))

    def at_end(self) -> bool:
        """Whether the server closes without another byte."""
        return self._held == b"" and self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"the server closed; held: {self._held[:200]!r}")
        self._held += data


STAMP = re.compile(r"\x1e(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+)\x1f")


@dataclass
class Server:
    """One running `serve` or `work`."""

    process: subprocess.Popen[bytes]
    socket_path: str
    log_path: Path
    folder: Path
    wires: list[Wire] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What was printed, without stamps."""
        return STAMP.sub("", self.log_path.read_text())

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Each whole line with the request that it was printed for, '' for what has no stamp."""
        found = []
        for line in self.log_path.read_text().split("\n")[:-1]:
            stamp = STAMP.match(line)
            found.append((stamp[2] if stamp else "", STAMP.sub("", line)))
        return found

    def connect(self) -> Wire:
        def attempt() -> Wire | None:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return Wire(self.socket_path)
            return None

        wire = until(attempt, "the socket takes connections")
        self.wires.append(wire)
        return wire

    def ask(
        self,
        method: str = "POST",
        target: str = "/score",
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        with self.connect() as wire:
            wire.ask(method, target, body.encode() if isinstance(body, str) else body, headers)
            return wire.reply()

    def health(self) -> str:
        return self.ask("GET", "/").body.decode()

    def load(self) -> dict[str, float]:
        return dict(self.ask("GET", "/load").json)

    def has_in_flight(self, count: int) -> bool:
        return self.load()["in_flight"] == count

    def ready(self) -> Self:
        until(lambda: self.health() == "Healthy", "init is done")
        return self

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)


Start = Callable[..., Server]


NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""Before a command: it is process 1 then."""


def first_below(pid: int) -> int:
    """The process that a NAMESPACE was begun with, as it is numbered outside."""
    [first] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(first)


def needs_namespace() -> None:
    """Skips where no namespace of processes can be had."""
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no namespace of processes can be had here: {tried.stderr!r}")
