"""What limits by address count an address as."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

_PREFIX = 64
"""Bits of an IPv6 address that are its network's: whoever has one address has all below."""


def counted_as(address: str, many: Sequence[IPv4Network | IPv6Network] = ()) -> str:
    """An IPv4 address as itself, however it is written; an IPv6 address as its network of 64
    bits; one in the networks `many`, each of which speaks for many callers, as ''."""
    if not many and ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in network for network in many):
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    network = int(found) >> (128 - _PREFIX) << (128 - _PREFIX)
    return f"{IPv6Address(network)}/{_PREFIX}"
