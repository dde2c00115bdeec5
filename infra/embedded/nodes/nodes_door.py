"""Where nodes, whose network is their own, reach this host's blobs: by signed URLs, and nothing
else of it."""

import asyncio
import contextlib
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import Unsupported
from infra.compute.gateway import Gateway
from infra.embedded.access.tls import ensure_certificates
from infra.embedded.blobs.rest import gathering
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.blobs.rest.requests import PREFIX
from infra.embedded.host.http_app import HttpApp
from infra.embedded.host.script_callers import ScriptCallers, no_nodes
from infra.embedded.http.door_limits import DoorLimits
from infra.embedded.http.http_server import HttpServer
from infra.settings.adapters import ComputeSettings, DoorSettings
from infra.settings.values import HostPort

_log = logging.getLogger(__name__)

PORT: Final = 7444
_BACKLOG: Final = 512
_CONNECTIONS: Final = 2048
_STRANGERS: Final = 512
_LOOK: Final = 5.0
"""Seconds for which the gateway is taken to be as it was."""
_GRACE: Final = 1.0


@dataclass(frozen=True)
class _Open:
    gateway: Gateway
    url: str
    authority: str
    server: HttpServer


class NodesDoor:
    """Opened at its first use, at the address of this machine in the nodes' network, by a
    certificate that its own authority has signed; that one is good for nothing else. `gateway` says
    what network that is now; `told` is what nodes are told instead, whose port is
    listened at everywhere."""

    def __init__(
        self,
        blobs: BlobDoor,
        gateway: Callable[[], Awaitable[Gateway]],
        told: HostPort | None,
        tls: Path,
        settings: DoorSettings,
    ) -> None:
        self._app = HttpApp(
            [],
            exact={},
            prefixes=[(PREFIX, blobs), (gathering.PATH, blobs.gathering)],
            scripts=ScriptCallers(lambda: range(0), no_nodes),
            route_prefix="",
            log_requests=False,
        )
        self._gateway = gateway
        self._told = told
        self._tls = tls
        self._limits = DoorLimits(
            settings.head_time, settings.body_rate, _CONNECTIONS, _STRANGERS, _STRANGERS, ()
        )
        self._turn = asyncio.Lock()
        self._open: _Open | None = None
        self._looked_at = 0.0

    async def url(self) -> str:
        """Below which blobs are. Raises Unavailable while that cannot be told, Unsupported where
        this machine has no such address."""
        return (await self._opened()).url

    async def authority(self) -> str:
        """Which certificate, in PEM, has signed for it. Raises as `url` does."""
        return (await self._opened()).authority

    @property
    def network(self) -> str | None:
        """That of the nodes, as far as it is known."""
        return None if self._open is None else self._open.gateway.network

    async def close(self) -> None:
        async with self._turn:
            if self._open is not None:
                await self._open.server.stop()
                self._open = None

    async def _opened(self) -> _Open:
        if (known := self._known()) is not None:
            return known
        async with self._turn:
            if (known := self._known()) is not None:
                return known  # who waited for another's look has it
            gateway = await self._gateway()
            if self._open is None or self._open.gateway != gateway:
                before, self._open = self._open, None
                if before is not None:
                    await before.server.stop()
                self._open = await self._at(gateway)
            self._looked_at = time.monotonic()
            return self._open

    def _known(self) -> _Open | None:
        """As it was a moment ago."""
        return self._open if time.monotonic() - self._looked_at < _LOOK else None

    async def _at(self, gateway: Gateway) -> _Open:
        name, port, listens = gateway.address, PORT, gateway.address
        if self._told is not None:
            name, _, number = self._told.rpartition(":")
            port, listens = int(number), ""
        files = await asyncio.to_thread(ensure_certificates, self._tls, [name])
        authority = await asyncio.to_thread(files.ca.read_text)
        bound = _bound(listens, port)
        server = HttpServer(self._app, bound, files, limits=self._limits, headers=(), grace=_GRACE)
        await server.start()
        url = f"https://{name}:{port}"
        _log.info("nodes reach blobs at %s", url, extra={"action": "nodes_door_open", "url": url})
        return _Open(gateway, url, authority, server)


def _bound(address: str, port: int) -> socket.socket:
    """A successor listens there, too, before this host ends. Raises Unsupported."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setblocking(False)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        with contextlib.suppress(OSError):
            listening.close()
        raise Unsupported(_cannot_listen(address, port, error)) from error
    return listening


def _cannot_listen(address: str, port: int, error: OSError) -> str:
    name = ComputeSettings.environment_name("blobs_address")
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"Batch jobs in containers read and write blobs of this host, and {address}, the"
            f" gateway of their network, is no address of its machine. Set {name} to `name:port`"
            " as containers reach this machine."
        )
    return (
        f"Batch jobs in containers need {address or 'every address'}, port {port}, of this machine:"
        f" {error}. Set {name} to `name:port` with another one."
    )
