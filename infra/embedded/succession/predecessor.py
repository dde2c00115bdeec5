"""The host that runs on a data folder, as the one that is to follow it sees it."""

import os
import socket

from infra.embedded.data_folder import DataFolder, HostLock
from infra.embedded.host.address import Address
from infra.embedded.succession.channel import LONGEST, Channel, Said, decoded, short

_PATIENCE = 60.0
"""Seconds for the running host to say where it is: it may be giving its place to another."""


class NotGiven(Exception):
    """The running host does not give its place."""


class Predecessor:
    """`address` is the running host's, and `lock` the folder's, which it and this process now
    hold together."""

    def __init__(self, connected: socket.socket, address: Address, lock: HostLock) -> None:
        self.address = address
        self.lock = lock
        self._connected = connected

    @classmethod
    def on(cls, folder: DataFolder) -> "Predecessor | None":
        """None where no host runs, or one that cannot be followed. Blocking. Raises NotGiven."""
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(_PATIENCE)
        try:
            with short(folder.successors) as name:
                connected.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            connected.close()
            return None
        try:
            said, (listening, handle) = _heard(connected)
        except (OSError, ValueError) as error:
            connected.close()
            raise NotGiven(f"the running host does not give its place: {error}") from error
        bound = socket.socket(fileno=listening)
        address = Address(said["url"], bound, said["tls"], said["names"])
        return cls(connected, address, HostLock(handle))

    async def take(self) -> tuple[Channel, list[str]]:
        """The host receives nothing more and starts nothing more, but goes on answering; the
        keys of what it serves. Raises NotGiven."""
        channel = await Channel.over(self._connected)
        await channel.say(take=True)
        said = await channel.hear()
        if said is None:
            raise NotGiven("the running host has stopped")
        self.lock.name_holder()
        return channel, list(said["given"])


def _heard(connected: socket.socket) -> tuple[Said, list[int]]:
    line, passed = b"", list[int]()
    while not line.endswith(b"\n"):
        piece, descriptors, _, _ = socket.recv_fds(connected, 65536, 2)
        passed += descriptors
        line += piece
        if not piece or len(line) > LONGEST:
            raise ValueError("it has just given it to another")
    for descriptor in passed:
        os.set_inheritable(descriptor, False)
    return decoded(line), passed
