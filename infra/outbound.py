"""Which addresses a URL from a user may lead to.

To be asked for the very address that is about to be connected to: a name that was looked up before,
and answers otherwise the next time, gains nothing.
"""

import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from domain.errors import Invalid

Address = IPv4Address | IPv6Address

_NEVER = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's own services to a machine, on a public address
            "2002::/16",  # 6to4, Teredo and NAT64 carry an IPv4 address inside
            "2001::/32",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
        ),
    )
)


class AddressRefused(Invalid):
    """Nothing is fetched from there."""

    code = "AddressRefused"


class OutboundAddresses:
    """Public addresses are allowed, and `private_networks`. Plain HTTP is allowed to the
    latter alone."""

    def __init__(self, private_networks: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._private = tuple(private_networks)

    @property
    def allows_plain_http(self) -> bool:
        """Whether there is any address that it is allowed to."""
        return bool(self._private)

    def check(self, host: str, address: str, *, plain: bool) -> None:
        """`host` is what the user wrote, `address` what it has led to, in figures. Raises
        AddressRefused, also for what is no address."""
        try:
            found = _unmapped(address)
        except ValueError:
            raise AddressRefused(f"'{host}' is no address.") from None
        if any(found in network for network in self._private):
            return
        if plain:
            raise AddressRefused(f"'{host}' is reached by https only.")
        if (
            not found.is_global
            or found.is_multicast
            or any(found in network for network in _NEVER)
            or _is_own(found)
        ):
            raise AddressRefused(
                f"'{host}' is not a public address, and nothing is fetched from this machine's "
                "own networks. Whoever runs this installation may allow one with "
                "ML_ENDPOINTS_PRIVATE_NETWORKS."
            )


def _unmapped(address: str) -> Address:
    """Without a scope, and the IPv4 address that an IPv6 one stands for as itself."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _is_own(address: Address) -> bool:
    """Whether this machine has the address: then it would be sent from it as well."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # sends nothing
            return bool(probe.getsockname()[0] == str(address))
    except OSError:
        return False
