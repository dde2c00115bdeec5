"""Who calls, and by what address, where proxies stand between."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal

from domain.ports import CallerAddresses
from infra.settings.values import Network

HeaderFamily = Literal["x-forwarded", "forwarded"]

_SCHEMES = frozenset({"http", "https"})
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PIECE = re.compile(r"\\.|[^\\]", re.DOTALL)

Hop = dict[str, str]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class TrustedProxies(CallerAddresses):
    """Proxies in `networks` are believed, and nobody else: neither who is not among them, nor
    what one of them only passes on of somebody who is not. `family` names the headers that they
    write; the others are their callers' and mean nothing."""

    def __init__(self, networks: Sequence[Network], family: HeaderFamily) -> None:
        self._networks = tuple(networks)
        self._family = family

    @property
    def has_proxies(self) -> bool:
        return bool(self._networks)

    def settle(self, scope: MutableMapping[str, Any]) -> None:
        if not self._networks or not scope["client"]:
            return
        peer = _address(str(scope["client"][0]))
        if peer is None or not self._trusts(peer):
            return
        hops = self._hops(scope["headers"])
        client, chosen = peer, hops[-1:]
        for place in range(len(hops) - 1, -1, -1):
            told = _address(hops[place].get("for", ""))
            if told is None:
                break
            client, chosen = told, [hops[place]]
            if not self._trusts(client):
                break
        scope["peer"] = scope["client"]
        scope["client"] = (str(client), 0)
        for hop in chosen:
            _take(scope, hop)

    def before(self, app: AsgiApp) -> AsgiApp:
        """`app`, with each request settled before anything of it is looked at."""
        if not self.has_proxies:
            return app

        async def settled(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            self.settle(scope)
            await app(scope, receive, send)

        return settled

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)

    def _hops(self, headers: Iterable[tuple[bytes, bytes]]) -> list[Hop]:
        """The nearest last."""
        if self._family == "forwarded":
            return _forwarded(_joined(headers, b"forwarded"))
        addresses, schemes, hosts = (
            [each.strip() for each in text.split(",")] if text else []
            for text in (
                _joined(headers, b"x-forwarded-for"),
                _joined(headers, b"x-forwarded-proto"),
                _joined(headers, b"x-forwarded-host"),
            )
        )
        hops: list[Hop] = [{"for": each} for each in addresses] or [{}]
        for key, values in (("proto", schemes), ("host", hosts)):
            # One for each hop, or else the last, which the nearest proxy wrote, for all.
            each = values if len(values) == len(hops) else values[-1:] * len(hops)
            for hop, value in zip(hops, each, strict=False):
                hop[key] = value
        return hops


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in headers if key == name)


def _forwarded(text: str) -> list[Hop]:
    """As RFC 7239 has it, each character looked at once. What is no pair, or is in a quote that is
    never closed, is left out."""
    hops: list[Hop] = [{}]
    pair: tuple[list[str], list[str]] = ([], [])
    quoted, side = False, 0
    for piece in (*_PIECE.findall(text), ";"):
        if piece == '"':
            quoted = not quoted
        elif piece in ",;" and not quoted:
            key, value = ("".join(each).strip() for each in pair)
            if side:
                hops[-1][key.lower()] = value
            pair, side = ([], []), 0
            if piece == ",":
                hops.append({})
        elif piece == "=" and not quoted and not side:
            side = 1
        else:
            pair[side].append(piece[-1])
    return hops


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Without its port; None for `unknown` and for what hides one."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _take(scope: MutableMapping[str, Any], hop: Hop) -> None:
    if (scheme := hop.get("proto", "").lower()) in _SCHEMES:
        scope["scheme"] = scheme
    host = hop.get("host", "")
    if not _HOST.fullmatch(host):
        return
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    # In place: whoever has read them already sees the same list.
    headers[:] = [
        (name, host.encode("latin-1")) if name == b"host" else (name, value)
        for name, value in headers
    ]
    scope.setdefault("state", {})["origin"] = f"{scope['scheme']}://{host}"
