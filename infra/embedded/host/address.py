"""Where a host is reached: a socket of its own, or one that was bound before it began."""

import ipaddress
import os
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

_BACKLOG = 2048
_FIRST_PASSED = 3
"""The descriptor of the first socket that systemd passes."""


class AddressError(Exception):
    """The host cannot listen as it was asked to."""


@dataclass(frozen=True)
class Address:
    """Where the host is reached. `names` are what its certificate must stand for beside the
    names of this machine."""

    url: str
    bound: socket.socket
    tls: bool
    names: Sequence[str]


def bound(host: str, port: int, *, tls: bool) -> Address:
    """Listens from here on: callers wait, and are not refused. Raises AddressError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        # Refuses a second listener here, while there is someone to tell.
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise AddressError(f"cannot listen on {host}, port {port}: {error}") from error
    return _address(host, listening, tls)


def passed(environment: MutableMapping[str, str], *, tls: bool) -> Address | None:
    """The socket that systemd (or who does as it does) has bound for this process; None where
    it has not. What says so is taken out of the environment, for it is not meant for
    processes that this one starts. Raises AddressError."""
    process = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdecimal() or not int(count):
        return None
    if int(count) != 1:
        raise AddressError(f"{count} sockets were passed (LISTEN_FDS); one is served")
    try:
        listening = socket.socket(fileno=_FIRST_PASSED)
        listening.set_inheritable(False)
        is_listening = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise AddressError(f"the socket that was passed (LISTEN_FDS): {error}") from error
    if not is_listening or listening.family not in (socket.AF_INET, socket.AF_INET6):
        raise AddressError("the socket that was passed (LISTEN_FDS) listens on no TCP port")
    return _address(str(listening.getsockname()[0]), listening, tls)


def _address(host: str, listening: socket.socket, tls: bool) -> Address:
    listening.setblocking(False)
    scheme = "https" if tls else "http"
    url = f"{scheme}://{_reached_as(host)}:{listening.getsockname()[1]}"
    return Address(url, listening, tls, _certificate_names(host))


def _reached_as(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host  # A name.
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{address}]" if address.version == 6 else host


def _certificate_names(host: str) -> list[str]:
    try:
        if ipaddress.ip_address(host).is_unspecified:
            return [socket.gethostname()]
    except ValueError:
        pass  # A name stands for itself.
    return [host]
