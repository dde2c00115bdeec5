"""Where a URL from a user may lead: to public addresses, and to networks that a setting names.

Checked where a socket is made, for the very address that it connects to: a name that was looked
up before, and answers otherwise the next time, gains nothing.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yarl

Address = IPv4Address | IPv6Address

_NEVER = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's own services to a machine, on a public address
            "192.0.0.0/24",  # protocols' own: a cloud's metadata is at 192.0.0.192
            "192.88.99.0/24",  # relays of 6to4, which like Teredo carries an IPv4 address inside
            "2002::/16",
            "2001::/23",
            "3fff::/20",
        ),
    )
)
_PUBLIC_V6 = ip_network("2000::/3")
"""What is assigned to the internet. Elsewhere are the forms that stand for an IPv4 address
(`::1.2.3.4`, `::ffff:0:1.2.3.4`, `64:ff9b::1.2.3.4`), and what was private once."""


class AddressRefused(ConnectionRefusedError):
    """No request goes there. Its text is for whoever wrote the URL: it tells why, and neither
    what a name led to nor anything secret."""


class OutboundAddresses:
    """Public addresses are allowed, and `private_networks`. Plain HTTP is allowed to the
    latter alone."""

    def __init__(self, private_networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._private = tuple(private_networks)

    def parsed(self, url: str, *, longest: int) -> "yarl.URL":
        """As the client reads it: two readings of one URL would leave a gap. Raises
        AddressRefused for what its text alone forbids."""
        import yarl  # not with the module: it takes long, and few hosts follow users' URLs

        if not 1 <= len(url) <= longest or not url.isprintable():
            raise AddressRefused(f"A URL has 1 to {longest} characters, all printable.")
        try:
            found = yarl.URL(url)
            host, port = found.host or "", found.port
        except ValueError:
            raise AddressRefused("The URL cannot be read.") from None
        if found.scheme not in ("http", "https") or not host or not port:
            raise AddressRefused("A web address begins with https:// and names a host.")
        if found.user is not None or found.password is not None:
            raise AddressRefused("A URL cannot carry a user or password.")
        self._check_host(host, plain=found.scheme == "http")
        return found

    def socket(self, info: tuple[Any, ...], *, plain: bool) -> socket.socket:
        """A socket for one answer of getaddrinfo: every address passes here, however it was
        come by. Raises AddressRefused."""
        family, kind, protocol, _, place = info
        self.check(str(place[0]), plain=plain)
        return socket.socket(family, kind, protocol)

    def check(self, address: str, *, plain: bool) -> None:
        """`address` is in figures. Raises AddressRefused, also for what is no address."""
        try:
            found = _unmapped(address)
        except ValueError:
            raise AddressRefused("The URL's host is no address.") from None
        if any(found in network for network in self._private):
            return
        if plain:
            raise AddressRefused("Web addresses are reached by https only.")
        if (
            not found.is_global
            or (found.version == 6 and found not in _PUBLIC_V6)
            or found.is_multicast
            or any(found in network for network in _NEVER)
            or _is_own(found)
        ):
            raise AddressRefused(
                "The URL leads to what is not a public address, and nothing is asked of an "
                "installation's own networks. Whoever runs it may allow one with "
                "ML_ENDPOINTS_PRIVATE_NETWORKS."
            )

    def _check_host(self, host: str, *, plain: bool) -> None:
        """What need not be looked up can be refused at once; `127.1`, `0x7f000001` and
        `2130706433` are spellings of an address, too."""
        name = host.rstrip(".").casefold()
        if name == "localhost" or name.endswith(".localhost"):
            self.check("127.0.0.1", plain=plain)
        elif ":" in name:
            self.check(name, plain=plain)
        elif (figures := _in_figures(name)) is not None:
            self.check(figures, plain=plain)
        elif plain and not self._private:
            raise AddressRefused("Web addresses are reached by https only.")


def refusal(error: BaseException) -> AddressRefused | None:
    """The one that a client's error came of, if it came of one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AddressRefused):
        cause = cause.__cause__ or cause.__context__
    return cause


def _in_figures(name: str) -> str | None:
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return None


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
