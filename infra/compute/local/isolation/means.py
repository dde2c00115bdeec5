"""What keeps a script from its host and from other scripts, and what of it this machine has."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from domain.ports import IsolationPart

Choice = Literal["auto", "required", "off"]
Network = Literal["allow", "none"]
Namespaces = Literal["root", "user", ""]

FIRST_USER: Final = 1_900_000_000
USERS: Final = range(FIRST_USER, FIRST_USER + 65536)
"""The user ids that scripts run as, where the host is root's: no system gives them to anybody."""

SCOPES_SINCE: Final = 6
"""The version of Landlock that keeps signals and abstract sockets within."""


@dataclass(frozen=True)
class Wish:
    """What the installation's owner asks for. Scripts may read what is below `readable` and
    write below `writable`, beside what is theirs."""

    choice: Choice
    network: Network
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]


@dataclass(frozen=True)
class Means:
    """What was tried here and held. `landlock` is the version of its interface, 0 for none;
    `cgroups` is a folder for each of "memory" and "pids" that groups can be made in; `egress`:
    whether the addresses of cloud metadata are refused to scripts' users."""

    namespaces: Namespaces = ""
    landlock: int = 0
    cgroups: tuple[tuple[str, Path], ...] = ()
    egress: bool = False

    @property
    def users(self) -> range:
        """Those that scripts run as; none where they run as the host's user."""
        return USERS if self.namespaces == "root" else range(0)

    @property
    def any(self) -> bool:
        """Whether a script can be kept from anything."""
        return bool(self.namespaces or self.landlock)


def parts(wish: Wish, means: Means) -> Sequence[IsolationPart]:
    """Every one, in the order in which they are told."""
    apart, limited = means.namespaces != "", dict(means.cgroups)
    landlock = f"Landlock (version {means.landlock})" if means.landlock else ""
    scoped = landlock if means.landlock >= SCOPES_SINCE else ""
    namespace = "a namespace of processes" if apart else ""
    silent = "it has no network" if wish.network == "none" and apart else ""
    told = (
        (
            "privileges",
            "no capabilities, and none to gain" if means.any else "",
            "it keeps its user's",
        ),
        (
            "files",
            "a view of its own" if apart else landlock,
            "it may read and write what the host's user may",
        ),
        (
            "processes",
            namespace or scoped,
            "it may signal processes of the host's user, and look into them",
        ),
        (
            "user",
            f"one of its own, from {FIRST_USER} on" if means.users else "",
            "it runs as the host's user",
        ),
        (
            "local sockets",  # Landlock knows nothing of those with a path
            scoped if apart else "",
            "it may speak to abstract sockets" if apart else "it may speak to the host's user's",
        ),
        (
            "lifetime",
            namespace or ("a control group" if limited else ""),
            "what leaves its session may outlive it",
        ),
        (
            "memory",
            "a control group" if "memory" in limited else "",
            "it is looked at twice a second only",
        ),
        ("number of processes", "a control group" if "pids" in limited else "", "it has no limit"),
        (
            "cloud metadata",
            silent or ("routes of its user" if means.egress else ""),
            "it may reach it where the machine may",
        ),
        (
            "control plane",
            silent or ("refused to its user" if means.users else ""),
            "it may reach it, with a credential",
        ),
    )
    return tuple(IsolationPart(part, held != "", held or else_) for part, held, else_ in told)
