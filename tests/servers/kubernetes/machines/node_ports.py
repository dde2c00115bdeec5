"""Ports of the machine that lead to pods, as kube-proxy opens them for Services of that type."""

import asyncio
from contextlib import suppress

from tests.servers.kubernetes.store import Object, Store, matches

_PIECE = 65536


class NodePorts:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, asyncio.Server] = {}
        self._passing: set[asyncio.Task[None]] = set()

    async def step(self, address: str) -> None:
        there = {
            each["metadata"]["uid"]: each
            for each in self._store.all("services")
            if (each.get("spec") or {}).get("type") == "NodePort"
        }
        for uid in [uid for uid in self._open if uid not in there]:
            self._open.pop(uid).close()
        for uid, service in there.items():
            if uid not in self._open:
                self._open[uid] = await self._opened(service, address)

    async def close(self) -> None:
        for server in self._open.values():
            server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _opened(self, service: Object, address: str) -> asyncio.Server:
        [port] = service["spec"]["ports"]

        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            pod = self._pod(service)
            if pod is None:
                writer.close()
                return
            try:
                inner = await asyncio.open_connection(pod["status"]["podIP"], port["targetPort"])
            except OSError:
                writer.close()
                return
            for one, other in ((reader, inner[1]), (inner[0], writer)):
                task = asyncio.create_task(_pass(one, other))
                self._passing.add(task)
                task.add_done_callback(self._passing.discard)

        return await asyncio.start_server(met, address, port["nodePort"])

    def _pod(self, service: Object) -> Object | None:
        wanted = {"matchLabels": service["spec"]["selector"]}
        for each in self._store.all("pods", service["metadata"]["namespace"]):
            is_there = (each.get("status") or {}).get("podIP")
            if is_there and matches(each["metadata"].get("labels") or {}, wanted):
                return each
        return None


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()
