"""Which names an authority can sign for (RFC 5280, section 4.2.1.10): whoever got hold of its key
could stand for these alone, and not for the rest of the internet."""

from collections.abc import Iterable
from ipaddress import ip_network

from cryptography import x509


def to(names: Iterable[str]) -> x509.NameConstraints:
    """These names and what is below them; an address alone."""
    return x509.NameConstraints(list(dict.fromkeys(map(_subtree, names))), None)


def permit(authority: x509.Certificate, names: Iterable[str]) -> bool:
    """Whether it can sign for all of them; one without limits, as earlier hosts made it, can."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    permitted = limits.permitted_subtrees or []
    return all(any(_within(_subtree(name), each) for each in permitted) for name in names)


def names_of(authority: x509.Certificate) -> list[str]:
    """What it was made for."""
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    return [str(each.value).partition("/")[0] for each in limits.permitted_subtrees or []]


def _subtree(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_network(name))
    except ValueError:
        return x509.DNSName(name.removeprefix("*.").rstrip(".").lower())


def _within(name: x509.GeneralName, permitted: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(permitted, x509.DNSName):
        return name.value == permitted.value or name.value.endswith(f".{permitted.value}")
    return name == permitted
