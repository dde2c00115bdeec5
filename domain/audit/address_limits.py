"""How often something may come from one address within a minute: refused credentials, tokens."""

import hashlib
from collections import OrderedDict
from math import ceil

from domain.audit.counted_address import counted_as
from domain.errors import Throttled
from domain.ports import Clock

MINUTE = 60.0
AT_ONE_ADDRESS = 10
"""What one address may have altogether, as a multiple of what it may have for one target."""

_REMEMBERED = 600.0
"""Seconds after which an address of which nothing more came is forgotten."""
_ADDRESSES = 4096
_TARGETS = 16
_SPARED = 32
_LONGEST = 300
"""As much of a target tells it from others: a caller may name what there is not, at any length."""


class _Watched:
    """What came from one address within the minute that began at `since`."""

    __slots__ = ("by_target", "since", "spared", "total")

    def __init__(self, since: float) -> None:
        self.since = since
        self.total = 0
        self.by_target: dict[str, int] = {}
        self.spared: OrderedDict[bytes, None] = OrderedDict()

    def count(self, target: str, now: float) -> None:
        if now >= self.since + MINUTE:
            self.since, self.total = now, 0
            self.by_target.clear()
        self.total += 1
        target = target[:_LONGEST]
        if target in self.by_target or len(self.by_target) < _TARGETS:
            self.by_target[target] = self.by_target.get(target, 0) + 1

    def is_full(self, target: str, most: int) -> bool:
        there = self.by_target.get(target[:_LONGEST], 0)
        return there >= most or self.total >= most * AT_ONE_ADDRESS


class AddressLimits:
    """`most` for one target in a minute, from what counts as one address, and ten times that for
    all targets; 0: no limit. Holds for this process, in bounded memory: the addresses of which
    nothing came for longest are forgotten first. One event loop owns it."""

    def __init__(self, clock: Clock, *, most: int) -> None:
        self._clock = clock
        self._most = most
        self._watched: OrderedDict[str, _Watched] = OrderedDict()
        self.watching = False
        """Whether anything has been counted of late; else nobody has to be checked."""

    def check(self, address: str, target: str, credential: bytes = b"") -> None:
        """Raises Throttled while the address has had its share of the minute, whatever it shows
        but a credential that is spared."""
        if not self.watching:
            return
        now = self._clock.now().timestamp()
        self._forget(now)
        watched = self._watched.get(counted_as(address))
        if watched is None or not watched.since <= now < watched.since + MINUTE:
            return
        if (
            watched.is_full(target, self._most)
            and _digest(target, credential) not in watched.spared
        ):
            seconds = max(1, ceil(watched.since + MINUTE - now))
            raise Throttled(
                f"Too many attempts came from {address or 'there'} within a minute. Try again "
                f"after {seconds} seconds.",
                retry_after=seconds,
            )

    def count(self, address: str, target: str) -> None:
        """One more."""
        if not self._most:
            return
        now, network = self._clock.now().timestamp(), counted_as(address)
        watched = self._watched.get(network)
        if watched is None:
            watched = self._watched[network] = _Watched(now)
            self.watching = True
        watched.count(target, now)
        self._watched.move_to_end(network)
        self._forget(now)

    def spare(self, address: str, target: str, credential: bytes) -> None:
        """The credential was a good one: whoever has it is not kept out by what others at its
        address do from here on. Remembered only of an address that is watched."""
        watched = self._watched.get(counted_as(address)) if self.watching else None
        if watched is not None:
            watched.spared[_digest(target, credential)] = None
            if len(watched.spared) > _SPARED:
                watched.spared.popitem(last=False)

    def _forget(self, now: float) -> None:
        while self._watched:
            first = next(iter(self._watched.values()))
            if len(self._watched) <= _ADDRESSES and now - first.since < _REMEMBERED:
                return
            self._watched.popitem(last=False)
        self.watching = False


def _digest(target: str, credential: bytes) -> bytes:
    return hashlib.sha256(target.encode(errors="surrogatepass") + b"\0" + credential).digest()[:16]
