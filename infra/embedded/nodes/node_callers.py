"""Whether a request comes from a node: one of the machines, or containers, that models run on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from domain.errors import DomainError
from infra.compute.gateway import Gateway

_log = logging.getLogger(__name__)

_LOOK: Final = 5.0
"""Seconds for which the networks are taken to be as they were."""


class NodeCallers:
    """`networks` tells which ones they are in; none where there is none yet."""

    def __init__(self, networks: Callable[[], Awaitable[Sequence[Gateway]]]) -> None:
        self._networks = networks
        self._known: Sequence[Gateway] = ()
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
        if any(address == each.address for each in self._known):
            return False
        return any(caller in ip_network(each.network) for each in self._known)

    async def _look(self) -> None:
        """While they cannot be asked for, they are as they were."""
        async with self._turn:
            if time.monotonic() - self._looked_at < _LOOK:
                return
            try:
                self._known = await self._networks() or self._known
            except DomainError as error:
                _log.warning("The networks of nodes are not known: %s", error)
            self._looked_at = time.monotonic()
