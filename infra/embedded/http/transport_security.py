"""Strict transport security (RFC 6797): a browser that was here once comes by TLS alone."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

_YEAR = 365 * 86400


def transport_security(base_url: str) -> Sequence[tuple[str, str]]:
    """The header that every answer carries where callers come by TLS to a name of this host's
    own. An address has no such policy, and this machine's own names are every program's on it,
    plain HTTP included."""
    parts = urlsplit(base_url)
    name = (parts.hostname or "").rstrip(".").casefold()
    own = name and name != "localhost" and not name.endswith(".localhost")
    if parts.scheme != "https" or not own or _is_address(name):
        return ()
    return (("strict-transport-security", f"max-age={_YEAR}"),)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
