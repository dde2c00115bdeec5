"""Addresses that no script may reach: where clouds give a machine's own credentials away.

Refused by the routes of the users that scripts run as, which needs neither a package nor a rule
in anybody's firewall, and holds for every process of theirs. TCP alone: at some of these addresses
names are looked up, by UDP.
"""

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

METADATA: Final = tuple(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
        ),
    )
)

_NEW_RULE: Final = 32
_REQUEST: Final = 0x1 | 0x4 | 0x200 | 0x400
"""With an answer; made if it is not there."""
_ERROR: Final = 2
_PROHIBIT: Final = 8
_PRIORITY: Final = 1900
_DESTINATION, _PRIORITY_OF, _USERS, _PROTOCOL = 1, 6, 20, 22


def refuse(users: range) -> None:
    """To every process of these users, and for good. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as routes:
        routes.bind((0, 0))
        for address in METADATA:
            routes.send(_rule(address, users))
            answer = routes.recv(4096)
            (kind,) = struct.unpack_from("=H", answer, 4)
            (result,) = struct.unpack_from("=i", answer, 16)
            if kind != _ERROR or -result in (0, errno.EEXIST):
                continue
            if address.version == 6 and -result == errno.EAFNOSUPPORT:
                continue  # nothing is reached by it here
            raise OSError(-result, f"no rule can be made for {address}")


def _rule(address: IPv4Address | IPv6Address, users: range) -> bytes:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = struct.pack("=8BI", family, address.max_prefixlen, 0, 0, 0, 0, 0, _PROHIBIT, 0)
    body += _attribute(_DESTINATION, address.packed)
    body += _attribute(_PRIORITY_OF, struct.pack("=I", _PRIORITY))
    body += _attribute(_USERS, struct.pack("=II", users.start, users.stop - 1))
    body += _attribute(_PROTOCOL, struct.pack("=B", socket.IPPROTO_TCP))
    return struct.pack("=IHHII", 16 + len(body), _NEW_RULE, _REQUEST, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding
