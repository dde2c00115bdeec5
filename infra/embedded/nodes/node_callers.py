"""Whether a request comes from a node: one of the machines, or containers, that models run on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from typing import Final

from domain.errors import DomainError
from infra.compute.gateway import Gateway

_log = logging.getLogger(__name__)

_LOOK: Final = 5.0
"""Seconds for which the network is taken to be as it was."""


class NodeCallers:
    """`network` tells which one they are in; None where there is none yet."""

    def __init__(self, network: Callable[[], Awaitable[Gateway | None]]) -> None:
        self._network = network
        self._known: Gateway | None = None
        self._looked_at = -_LOOK
        self._turn = asyncio.Lock()

    async def __call__(self, address: str) -> bool:
        """The gateway's own address is this machine's, and no node's."""
        try:
            caller = ip_address(address)
        except ValueError:
            return False
        if caller.is_loopback:
            return False
        if time.monotonic() - self._looked_at >= _LOOK:
            await self._look()
        known = self._known
        if known is None or address == known.address:
            return False
        return caller in ip_network(known.network)

    async def _look(self) -> None:
        """While it cannot be asked for, it is as it was."""
        async with self._turn:
            if time.monotonic() - self._looked_at < _LOOK:
                return
            try:
                self._known = await self._network() or self._known
            except DomainError as error:
                _log.warning("The network of nodes is not known: %s", error)
            self._looked_at = time.monotonic()
