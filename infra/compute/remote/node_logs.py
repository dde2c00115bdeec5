"""What nodes have printed, asked of their agents."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.ports import InstanceLost, LogKind
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.fleet import Node, NodeState
from infra.compute.remote.remote_scorer import SECRET

_LIMIT: Final = 5.0
_MOST: Final = 10_000


@dataclass(frozen=True)
class NodeLine:
    """`time` is RFC 3339 in UTC; `request` is `-` for nobody's."""

    time: str
    node: str
    request: str
    text: str

    def __str__(self) -> str:
        return f"{self.time} {self.node} {self.request} {self.text}"


class NodeLogs:
    def __init__(self, http: UnixHttp) -> None:
        self._http = http

    async def lines(
        self, nodes: Sequence[Node], secret: str, kind: LogKind, tail: int
    ) -> list[NodeLine]:
        """The last ones of each that answers, in order of their times."""
        asked = [n for n in nodes if n.state in (NodeState.RUNNING, NodeState.LEAVING)]
        told = await asyncio.gather(*(self._of(node, secret, kind, tail) for node in asked))
        return sorted((line for lines in told for line in lines), key=lambda line: line.time)

    async def _of(self, node: Node, secret: str, kind: LogKind, tail: int) -> list[NodeLine]:
        if node.address is None:
            return []
        target = f"/node/logs?kind={kind.value}&tail={min(tail, _MOST)}"
        try:
            answer = await self._http.request(
                node.address, "GET", target, [(SECRET, secret)], timeout=_LIMIT
            )
            body = answer.body
            whole = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
            lines: list[dict[str, Any]] = json.loads(whole)["lines"] if answer.status == 200 else []
            return [
                NodeLine(each["time"], node.id, each["request"], each["text"]) for each in lines
            ]
        except (InstanceLost, TimeoutError, ValueError, KeyError, TypeError):
            return []
