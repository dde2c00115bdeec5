"""Attempts whose outcomes this host has, and their nodes need not keep."""

import asyncio
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from domain.ports import InstanceLost
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET
from infra.compute.remote.workers.pool_record import PoolNode

_SOON: Final = 1.0
_LIMIT: Final = 5.0


class Collected:
    """They are told with the next unit that the node is sent; where none comes soon, by
    themselves."""

    def __init__(self, http: UnixHttp) -> None:
        self._http = http
        self._by_node: dict[str, list[str]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, node: PoolNode, secret: str, attempt_id: str) -> None:
        there = self._by_node.get(node.id)
        if there is not None:
            there.append(attempt_id)
            return
        self._by_node[node.id] = [attempt_id]
        task = asyncio.create_task(self._tell(node, secret), name=f"collected at {node.id}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def take(self, node: PoolNode) -> list[str]:
        """To be told."""
        there = self._by_node.get(node.id, [])
        taken = list(there)
        there.clear()
        return taken

    async def close(self) -> None:
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, node: PoolNode, secret: str) -> None:
        await asyncio.sleep(_SOON)
        for attempt_id in self._by_node.pop(node.id, ()):
            with suppress(InstanceLost, TimeoutError):
                target = f"/node/units/{quote(attempt_id, safe='')}"
                await self._http.request(
                    node.address, "DELETE", target, [(SECRET, secret)], timeout=_LIMIT
                )
