"""Where a running host is asked for its place, and what it does then."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Protocol

from domain.errors import DomainError
from infra.compute.succession import Instances
from infra.embedded.data_folder import DataFolder, HostLock
from infra.embedded.host.address import Address
from infra.embedded.succession.channel import Channel, encoded, read, short

_log = logging.getLogger(__name__)

_AGAIN = 0.2


class Work(Protocol):
    """What a host does beside answering requests."""

    async def hand_over(self) -> Sequence[str]:
        """Nothing is received or started any more; the keys of what is served on."""

    async def take_back(self) -> None:
        """The successor is gone before it was ready: everything goes on here. Raises
        DomainError; it may be called again then."""

    def use(self, others: Instances) -> None:
        """The successor's instances."""


class Successors:
    """One may take the host's place at a time; the next waits for the one before."""

    def __init__(self, folder: DataFolder, address: Address, lock: HostLock) -> None:
        self._folder = folder
        self._address = address
        self._lock = lock
        self._channel: Channel | None = None
        self._following: asyncio.Task[bool] | None = None

    async def followed(self, work: Work) -> None:
        """Returns once a successor answers on the same listener. Until then one that goes away
        changes nothing. Cancelled, the host is asked no more."""
        try:
            listening = self._open()
        except OSError as error:
            _log.warning("no host can follow this one: %s", error)
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        try:
            while True:
                connected, _ = await loop.sock_accept(listening)
                if await self._is_followed_over(connected, work):
                    return
        except asyncio.CancelledError:
            self._folder.successors.unlink(missing_ok=True)
            raise
        finally:
            listening.close()

    async def close(self) -> None:
        """The successor is alone from now on."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._channel is not None:
            await self._channel.close()

    def _open(self) -> socket.socket:
        # Whoever has the folder's lock may: the last host's socket is dead, or followed.
        self._folder.successors.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        with short(self._folder.successors) as name:
            listening.bind(name)
        self._folder.successors.chmod(0o600)
        listening.listen()
        listening.setblocking(False)
        return listening

    async def _is_followed_over(self, connected: socket.socket, work: Work) -> bool:
        address = self._address
        about = {"url": address.url, "tls": address.tls, "names": list(address.names)}
        try:
            passed = [address.bound.fileno(), self._lock.handle]
            socket.send_fds(connected, [encoded(about)], passed)
        except OSError:
            connected.close()
            return False
        self._channel = channel = await Channel.over(connected)
        if await channel.hear() is None:
            # It could not start: nothing was given.
            await channel.close()
            return False
        _log.info("a successor is there: receiving and starting nothing more")
        try:
            await channel.say(given=await work.hand_over())
            if await self._is_ready(channel, work):
                self._following = asyncio.create_task(self._is_ready(channel, work))
                return True
        except Exception:  # Whatever it was, this host's work must not lie idle.
            _log.exception("the successor cannot be followed")
        _log.warning("the successor is gone before it was ready: going on")
        await channel.close()
        await _taken_back(work)
        return False

    async def _is_ready(self, channel: Channel, work: Work) -> bool:
        """Whether it says so before it goes."""
        while (said := await channel.hear()) is not None:
            if "ready" in said:
                return True
            work.use(read(said["instances"]))
        work.use({})
        # Who holds the folder still is told to others.
        self._lock.name_holder()
        return False


async def _taken_back(work: Work) -> None:
    """The successor's last moments may still be in the way, or a full disk."""
    while True:
        try:
            return await work.take_back()
        except DomainError as error:
            _log.warning("not going on yet: %s", error)
            await asyncio.sleep(_AGAIN)
