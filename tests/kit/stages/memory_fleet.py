"""A fleet in memory, whose nodes are servers of this process that say what a test has them say."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.errors import Unavailable
from domain.ports import Program
from infra.compute.gateway import Gateway
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState, Progress
from infra.compute.remote.remote_scorer import SECRET, proof_of


@dataclass
class ToldAgent:
    """What a node answers. `silent`: it takes connections and says nothing."""

    secret: str
    phase: str = "ready"
    reason: str | None = None
    silent: bool = False
    restarts: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    """More headers of its answers to `/score`."""
    state: dict[str, Any] = field(default_factory=dict)
    """What else it says of itself, or instead."""
    status: int = 200
    asked: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        """Nobody listens there any more."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                await reader.readexactly(int(headers.get("content-length", "0")))
                if self.silent:
                    continue
                writer.write(self._said(lines[0].split()[1], headers.get(SECRET)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _said(self, path: str, secret: str | None) -> bytes:
        told: dict[str, Any] = {"asked": path}
        more, status = "", 200
        if secret == self.secret.lower():
            more = f"ml-endpoints-node: {proof_of(self.secret)}\r\n"
        if path == "/node/state":
            told = {"phase": self.phase, "code": None, "reason": self.reason, "workers": 1}
            told |= {"restarts": self.restarts, "life": "life", **self.state}
        else:
            self.asked += 1
            status = self.status
            more += "".join(f"{name}: {value}\r\n" for name, value in self.answer.items())
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 {status} Said\r\n{more}content-length: {len(body)}\r\n\r\n"
        return head.encode() + body


class MemoryFleet(Fleet):
    """`progress` is what it says of every group; `deleted` are the groups that were told to go,
    with how long they linger. While it `is_away` it shows no nodes, and what it is asked for waits
    until it `goes_on`."""

    def __init__(self) -> None:
        self.progress = Progress(prepared=True)
        self.agents: dict[str, ToldAgent] = {}
        self.there: dict[str, Node] = {}
        self.deleted: dict[str, float] = {}
        self.applied: list[str] = []
        self.phase = "ready"
        self.is_away = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.calls = 0
        self._lives = 0

    def agents_of(self, group: str) -> list[ToldAgent]:
        return [self.agents[n.id] for n in self.there.values() if n.group == group]

    async def apply(self, group: NodeGroup, count: int) -> Progress:
        self.calls += 1
        self.applied.append(group.name)
        await self.goes_on.wait()
        if not self.progress.prepared:
            return self.progress
        mine = {n.number: n for n in self.there.values() if n.group == group.name}
        for number in range(count):
            if number not in mine:
                await self._start(group, number)
        for number, node in mine.items():
            if number >= count:
                self._end(node)
        return self.progress

    async def _start(self, group: NodeGroup, number: int) -> None:
        self._lives += 1
        id = f"{group.name}-{number}.{self._lives}"
        agent = self.agents[id] = ToldAgent(group.secret, self.phase)
        address = await agent.start()
        self.there[id] = Node(
            id, group.name, number, NodeState.RUNNING, address, attempt=group.attempt
        )

    def _end(self, node: Node) -> None:
        self.agents[node.id].stop()
        self.there.pop(node.id, None)

    async def nodes(self) -> Sequence[Node]:
        self.calls += 1
        if self.is_away:
            raise Unavailable("The platform is away.")
        return list(self.there.values())

    async def replace(self, node: Node, reason: str) -> None:
        self._end(node)

    async def explain(self, node: Node) -> str | None:
        return None

    async def logs(self, group: str, *, tail: int) -> str:
        return ""

    async def story(self, group: str, program: Program, *, tail: int) -> str:
        return f"how {group} came about"

    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        self.deleted[group] = linger
        for node in [n for n in self.there.values() if n.group == group]:
            self._end(node)
        return True

    async def groups(self) -> Sequence[str]:
        return sorted({node.group for node in self.there.values()})

    async def networks(self) -> Sequence[Gateway]:
        return ()

    async def gateway(self) -> Gateway:
        return Gateway("127.0.0.1", "127.0.0.0/8")

    async def close(self) -> None:
        """Nodes go on."""

    def stop(self) -> None:
        for agent in self.agents.values():
            agent.stop()
