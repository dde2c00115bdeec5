"""How many callers the HTTP door takes at once, and how slow they may be."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from infra.settings.adapters import DoorSettings
from infra.settings.values import Network

_log = logging.getLogger(__name__)

RESERVE = 256
"""Files that a host needs besides its callers' connections, at least: databases, logs, blobs,
instances and the requests that it passes to them."""
_SHARE = 4
"""One file in so many is kept for that where there are more."""


@dataclass(frozen=True)
class DoorLimits:
    """`head_time` (seconds) is for a TLS handshake and for a request's head, each; `body_rate`
    counts bytes a second. Strangers are connections on which no credential has been good yet."""

    head_time: float
    body_rate: int
    connections: int
    strangers: int
    strangers_of_one_address: int
    proxies: tuple[Network, ...]
    """Networks of which each address speaks for many: none has a limit of its own."""

    @property
    def files(self) -> int:
        """How many files a host with these limits should be able to open."""
        return self.connections + max(RESERVE, -(-self.connections // (_SHARE - 1)))

    def within(self, files: int) -> Self:
        """These, or fewer connections where only so many files can be open. No address ever
        has all the room of strangers, and strangers never all the room there is."""
        most = min(self.connections, files - max(RESERVE, files // _SHARE))
        strangers = max(2, min(self.strangers, most // 2))
        of_one = max(1, min(self.strangers_of_one_address, strangers * 3 // 4))
        return replace(self, connections=most, strangers=strangers, strangers_of_one_address=of_one)


def limits_for(
    settings: DoorSettings, proxies: Sequence[Network], raise_open_files: Callable[[int], int]
) -> DoorLimits:
    """What is set, as far as the files that this process may open go; their limit is raised for
    that. Raises what `raise_open_files` does."""
    asked = DoorLimits(
        settings.head_time,
        settings.body_rate,
        settings.connections,
        settings.strangers,
        settings.strangers_per_address,
        tuple(proxies),
    )
    files = raise_open_files(asked.files)
    limits = asked.within(files)
    if limits.connections < asked.connections:
        # Who has asked for a number is to hear of another.
        level = logging.WARNING if "connections" in settings.model_fields_set else logging.INFO
        _log.log(
            level,
            "%d connections at once are taken, not %d: this process may have %d files open",
            *(limits.connections, asked.connections, files),
        )
    return limits
