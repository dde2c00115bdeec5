"""Which addresses a request to a URL that a user named may connect to.

A name is checked by what it resolves to, at each connection, and the connection goes to the
address that was checked: a name that answers differently the second time gains nothing.
"""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

_MAX_URL = 2048
# Reach IPv4 addresses by way of IPv6, and so could reach any that are refused.
_TRANSLATED = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
)
# Azure's own services for a machine (health, DNS, its agent) answer here, though it is global.
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})


class AddressRefused(OSError):
    """A name leads to an address that requests may not go to. Tells neither which."""

    def __init__(self) -> None:
        super().__init__("its address is in a private or reserved network")


def is_public(address: str) -> bool:
    """Whether `address` is one of the Internet: not loopback, private, link-local (as the
    metadata service of a cloud is), multicast or reserved, in any spelling."""
    try:
        ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(
            address.partition("%")[0]
        )
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif any(ip in network for network in _TRANSLATED):
            return False
    return ip.is_global and not ip.is_multicast and ip not in _PLATFORM


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """Why no request may go to `url`, as far as its text shows; or None. `allow_private` also
    allows plain HTTP. A name still has to resolve to a public address: GuardedResolver."""
    if not 1 <= len(url) <= _MAX_URL:
        return f"A URL has 1 to {_MAX_URL} characters."
    if not (url.isascii() and url.isprintable()) or any(c in url for c in ' "<>\\^`{|}'):
        return "A URL has no spaces, control characters or characters beyond ASCII."
    parts = _split(url)
    if parts is None or not parts.hostname:
        return "This is not a URL with a host."
    if parts.scheme.casefold() not in (("https", "http") if allow_private else ("https",)):
        return "Only https:// is called."
    if parts.username is not None or parts.password is not None:
        return "A URL must not hold a user name or password."
    if parts.fragment:
        return "A URL to call has no fragment."
    if not allow_private and _looks_private(parts.hostname):
        return (
            "This address is in a private or reserved network; the setting "
            "ML_ENDPOINTS_OUTBOUND_PRIVATE_ADDRESSES decides whether such are called."
        )
    return None


class GuardedResolver(AbstractResolver):
    """aiohttp's way from names to addresses. Raises AddressRefused when any address of a
    name is not public. (aiohttp asks no resolver for an address in digits: check the URL
    with `url_fault` as well.)"""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise AddressRefused
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _looks_private(host: str) -> bool:
    """`127.1`, `0x7f000001` and `2130706433` are spellings of an address, too."""
    bare = host.rstrip(".")
    if bare.casefold() == "localhost" or bare.casefold().endswith(".localhost"):
        return True
    if ":" in bare:
        return not is_public(bare)
    try:
        packed = socket.inet_aton(bare)
    except OSError:
        return False
    return not is_public(str(ipaddress.IPv4Address(packed)))
