"""The networks that an installation's containers are in."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.labels import Labels
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.gateway import Gateway

_log = logging.getLogger(__name__)


class Networks:
    """A bridge of its own, where containers do not reach each other, nor what `guard` keeps them
    from; and one that is closed, where they reach nothing else either: they are reached from the
    engine's machine alone. All are in that one where the installation is `closed`."""

    def __init__(self, engine: Engine, guard: MetadataGuard, *, closed: bool) -> None:
        self._engine = engine
        self._guard = guard
        self._closed = closed
        self._turn = asyncio.Lock()

    async def ensure(self, labels: Labels, *, closed: bool) -> str:
        """The id of one that is guarded, or `closed`. Two hosts may make one each: the first is
        used, and goes on when both are there. It is asked for each time: another host may have
        removed it. Raises EngineRefusal."""
        closed = closed or self._closed
        id = await self._made(labels, closed=closed)
        if not closed:
            await self._guard.keep(id, labels)
        return id

    async def _made(self, labels: Labels, *, closed: bool) -> str:
        async with self._turn:
            name = labels.network(closed=closed)
            found = await self._found(labels, name)
            if not found:
                await self._make(labels, name, closed=closed)
                found = await self._found(labels, name)
            return found[0]

    async def gateway(self, labels: Labels) -> Gateway:
        """Of the network that is usual, made if it is not there. Raises EngineRefusal."""
        return await self._of(await self._made(labels, closed=self._closed))

    async def known(self, labels: Labels) -> Sequence[Gateway]:
        """Of each network that is there. Raises EngineRefusal."""
        return [await self._of(id) for id in await self._found(labels)]

    async def _of(self, id: str) -> Gateway:
        told = await self._engine.get(f"networks/{id}")
        [config, *_] = [each for each in told["IPAM"]["Config"] if each.get("Gateway")]
        return Gateway(config["Gateway"].partition("/")[0], config["Subnet"])

    async def remove(self, labels: Labels) -> None:
        """Nobody is in it."""
        async with self._turn:
            for id in await self._found(labels):
                try:
                    await self._engine.delete(f"networks/{id}")
                except EngineRefusal as refusal:
                    _log.info("a network stays: %s", refusal.message)

    async def _found(self, labels: Labels, name: str | None = None) -> list[str]:
        there = await self._engine.get("networks", filters={"label": [labels.mine]})
        there = [each for each in there if name is None or each["Name"] == name]
        return [each["Id"] for each in sorted(there, key=lambda n: (n["Created"], n["Id"]))]

    async def _make(self, labels: Labels, name: str, *, closed: bool) -> None:
        body: dict[str, Any] = {
            "Name": name,
            "Internal": closed,
            "EnableIPv6": False,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "Labels": labels.of_network,
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        }
        try:
            await self._engine.post("networks/create", body)
        except EngineRefusal as refusal:
            if refusal.status != 409:  # else another host has just made it
                raise
