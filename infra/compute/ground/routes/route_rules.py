"""Addresses that no script may reach: where clouds give a machine's own credentials away.

Refused by rules for routes, which need neither a package nor a rule in anybody's firewall. TCP
alone: at some of these addresses names are looked up, by UDP. They hold until the machine is
started anew, and not for an address that the machine has itself.

Also a program, `route_rules.py INTERFACE`: it is run by its text where there is nothing of ours, so
that it has the standard library alone.
"""

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

METADATA: Final = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "168.63.129.16/32",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "fd00:ec2::254/128",
            "fd00:ec2::23/128",
            "fd20:ce::254/128",
            "fd00:c1::a9fe:a9fe/128",
        ),
    )
)

_NEW_RULE, _DELETE_RULE, _GET_RULE = 32, 33, 34
_ACKNOWLEDGED: Final = 0x1 | 0x4
_NEW: Final = 0x200 | 0x400
"""Made if it is not there."""
_DUMP: Final = 0x300
_ERROR, _DONE = 2, 3
_PROHIBIT: Final = 8
_PRIORITY: Final = 1900
_OURS: Final = 173
"""What the rules say of who made them, by which those are found whose interface has gone."""
_DESTINATION, _INTERFACE, _PRIORITY_OF, _USERS, _MAKER, _PROTOCOL = 1, 3, 6, 20, 21, 22
_HEAD: Final = 16
_RULE: Final = 12


def refuse_users(users: range) -> None:
    """To every process of these users, and for good. Raises OSError."""
    _refuse(_attribute(_USERS, struct.pack("=II", users.start, users.stop - 1)))


def refuse_interface(interface: str) -> None:
    """To whoever is behind it, for as long as it is there; rules of interfaces that have gone go,
    too. Raises OSError."""
    _refuse(_attribute(_INTERFACE, interface.encode() + b"\0") + _attribute(_MAKER, bytes([_OURS])))
    with _routes() as routes:
        for rule in [each for each in _rules(routes) if _is_left(each)]:
            _ask(routes, _DELETE_RULE, _ACKNOWLEDGED, rule)


def _refuse(whom: bytes) -> None:
    with _routes() as routes:
        for network in METADATA:
            family = socket.AF_INET if network.version == 4 else socket.AF_INET6
            rule = struct.pack("=8BI", family, network.prefixlen, 0, 0, 0, 0, 0, _PROHIBIT, 0)
            rule += _attribute(_DESTINATION, network.network_address.packed)
            rule += _attribute(_PRIORITY_OF, struct.pack("=I", _PRIORITY)) + whom
            rule += _attribute(_PROTOCOL, struct.pack("=B", socket.IPPROTO_TCP))
            result = _ask(routes, _NEW_RULE, _ACKNOWLEDGED | _NEW, rule)
            if result in (0, errno.EEXIST):
                continue
            if network.version == 6 and result == errno.EAFNOSUPPORT:
                continue  # nothing is reached by it here
            raise OSError(result, f"no rule can be made for {network}")


def _routes() -> socket.socket:
    routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    routes.bind((0, 0))
    return routes


def _ask(routes: socket.socket, what: int, flags: int, rule: bytes) -> int:
    """The error that comes of it; 0 for none."""
    routes.send(struct.pack("=IHHII", _HEAD + len(rule), what, flags, 1, 0) + rule)
    answer = routes.recv(4096)
    (kind,) = struct.unpack_from("=H", answer, 4)
    (result,) = struct.unpack_from("=i", answer, _HEAD)
    return -result if kind == _ERROR else 0


def _rules(routes: socket.socket) -> Iterator[bytes]:
    for family in (socket.AF_INET, socket.AF_INET6):
        asked = struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, 0, 0)
        routes.send(struct.pack("=IHHII", _HEAD + len(asked), _GET_RULE, 0x1 | _DUMP, 1, 0) + asked)
        is_over = False
        while not is_over:
            told, at = routes.recv(2**16), 0
            while at + _HEAD <= len(told):
                size, kind = struct.unpack_from("=IH", told, at)
                is_over = is_over or kind in (_DONE, _ERROR)
                if kind == _NEW_RULE:
                    yield told[at + _HEAD : at + size]
                at += (size + 3) & ~3


def _is_left(rule: bytes) -> bool:
    """Whether it is one of ours, of an interface that is not there."""
    found, at = {}, _RULE
    while at + 4 <= len(rule):
        size, kind = struct.unpack_from("=HH", rule, at)
        found[kind] = rule[at + 4 : at + size]
        at += (size + 3) & ~3
    if found.get(_MAKER) != bytes([_OURS]) or _INTERFACE not in found:
        return False
    try:
        socket.if_nametoindex(found[_INTERFACE].rstrip(b"\0").decode())
    except OSError:
        return True
    return False


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


if __name__ == "__main__":
    try:
        refuse_interface(sys.argv[1])
    except OSError as error:
        sys.exit(str(error))
