"""The network that an installation's containers are in."""

import asyncio
import logging
from typing import Any

from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.labels import Labels
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.gateway import Gateway

_log = logging.getLogger(__name__)


class Networks:
    """A bridge of its own, where containers do not reach each other, nor what `guard` keeps them
    from; nor anything else, where it is `closed`: they are reached from the engine's machine
    alone."""

    def __init__(self, engine: Engine, guard: MetadataGuard, *, closed: bool) -> None:
        self._engine = engine
        self._guard = guard
        self._closed = closed
        self._turn = asyncio.Lock()

    async def ensure(self, labels: Labels) -> str:
        """The id of one that is guarded. Two hosts may make one each: the first is used, and goes
        on when both are there. It is asked for each time: another host may have removed it. Raises
        EngineRefusal."""
        id = await self._made(labels)
        if not self._closed:
            await self._guard.keep(id, labels)
        return id

    async def _made(self, labels: Labels) -> str:
        async with self._turn:
            name = labels.network(closed=self._closed)
            found = await self._found(labels, name)
            if not found:
                await self._make(labels, name)
                found = await self._found(labels, name)
            return found[0]

    async def gateway(self, labels: Labels) -> Gateway:
        """Of the network, made if it is not there. Raises EngineRefusal."""
        return await self._of(await self._made(labels))

    async def known(self, labels: Labels) -> Gateway | None:
        """The same, where there is a network."""
        found = await self._found(labels, labels.network(closed=self._closed))
        return await self._of(found[0]) if found else None

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

    async def _make(self, labels: Labels, name: str) -> None:
        body: dict[str, Any] = {
            "Name": name,
            "Internal": self._closed,
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
