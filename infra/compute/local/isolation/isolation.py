"""Each script in a cell: a process, and all that it starts, apart from the host and from others."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from domain.ports import IsolationPart
from infra.compute.ground import process_environment
from infra.compute.ground.isolation_telling import tell
from infra.compute.identity_lending import IdentityLending
from infra.compute.local.instances.launch import Launch
from infra.compute.local.isolation.cell import HOME, Cell
from infra.compute.local.isolation.cgroups import Group
from infra.compute.local.isolation.lending import LendingDesk
from infra.compute.local.isolation.means import Means, Wish, parts
from infra.compute.local.isolation.opening import open_file_to_all, open_to_all
from infra.compute.local.isolation.plans import Plan, launcher, paths
from infra.compute.local.isolation.probing import cuts_networks, means_here
from infra.compute.local.isolation.users import Users

_log = logging.getLogger(__name__)

_LACKING: Final = {"action": "isolation_lacking"}
_TEMPORARY: Final = "/tmp"
_OPEN: Final = (
    "Scripts that run as processes here cannot be kept from the network: this machine gives them "
    "no network namespace, or ML_ENDPOINTS_ISOLATION is off (docs/operating.md). Run models in "
    "containers (ML_ENDPOINTS_COMPUTE=docker), or give egressPublicNetworkAccess Enabled."
)


class Isolation:
    """Of one installation, whose folder is `data`: a script sees nothing of it but what is its
    own, and is to others who `identities` makes it. `start` before the first cell."""

    def __init__(self, wish: Wish, data: Path, runtime: Path, identities: IdentityLending) -> None:
        self._wish = wish
        self.identities = identities
        self._written, self._data = os.path.abspath(data), os.path.realpath(data)
        self.runtime = runtime
        """What runs in a model's own environment."""
        self._means = Means()
        self._users = Users((), self._data)

    def start(self) -> None:
        """See what this machine has, and say so in the log. Blocking. Raises NotIsolated."""
        wish = self._wish
        if wish.choice == "off":
            told = "Scripts are not isolated: ML_ENDPOINTS_ISOLATION is off"
            _log.warning(told, extra=_LACKING)
            return
        self._means = means_here(wish.network, self.runtime)
        self._users = Users(self._means.users, self._data)
        tell(self.parts, wish.choice)

    @property
    def parts(self) -> Sequence[IsolationPart]:
        """Everything that isolation is about, held or not."""
        return parts(self._wish, self._means)

    @property
    def users(self) -> range:
        """Whom scripts run as; none where that is the host's user."""
        return self._means.users

    def closing_fault(self) -> str | None:
        """Why a program's scripts cannot be kept from every network. Blocking."""
        if self._wish.network == "none" and self._means.namespaces:
            return None
        return None if cuts_networks(self._means.namespaces, self.runtime) else _OPEN

    def admit(self, *paths: Path) -> None:
        """Scripts may read these files and folders once a cell shows them. Blocking."""
        if self._means.users:
            for path in paths:
                if path.is_file():
                    open_file_to_all(path)
                else:
                    open_to_all(path)

    def cell(self, launch: Launch, place: Path, socket: Path, cores: frozenset[int]) -> Cell:
        """For one life of a process that has `cores`, none for all of them; it listens at
        `socket`. `place` is a new folder for it. Blocking. Raises OSError."""
        home = place / HOME
        home.mkdir()
        if not self._means.any:
            command = [*launch.command, "--socket", str(socket)]
            return Cell(command, {**launch.environment, "TMPDIR": str(home)}, place)
        user = self._users.take(launch.owner)
        give_back = partial(self._users.give_back, launch.owner)
        try:
            return self._closed_cell(launch, place, socket, user, cores, give_back)
        except BaseException:
            give_back()
            raise

    def _closed_cell(
        self,
        launch: Launch,
        place: Path,
        socket: Path,
        user: int,
        cores: frozenset[int],
        give_back: partial[None],
    ) -> Cell:
        means = self._means
        root, home = place / "root", place / HOME
        root.mkdir()
        desk = None
        if launch.takes_units:
            desk = LendingDesk(place / "inputs", place / "outputs", for_others=bool(user))
            desk.open()
        readable = [*launch.readable, *([desk.inputs] if desk else ()), *self._wish.readable]
        writable = [*launch.writable, *([desk.outputs] if desk else ())]
        temporary = _TEMPORARY if means.namespaces else str(home)
        group = self._group(f"{place.parent.name}-{place.name}", launch.memory)
        plan = Plan(
            command=launch.command,
            environment=_at_home(launch.environment, temporary),
            folder=str(launch.folder),
            readable=paths(*readable),
            writable=[os.path.relpath(os.path.abspath(path), self._written) for path in writable],
            shared=paths(*self._wish.writable),
            hidden=self._data,
            written=self._written,
            home=str(home),
            root=str(root),
            socket=str(socket),
            namespaces=means.namespaces,
            user=user,
            landlock=means.landlock > 0,
            network=self._wish.network == "allow" and not launch.closed,
            cgroups=group.joining if group else (),
            cores=sorted(cores),
        )
        try:
            descriptor = plan.to_read()
        except OSError:
            if group is not None:
                group.remove()
            raise
        return Cell(
            launcher(self.runtime, descriptor),
            process_environment.base(),
            place,
            passed=[descriptor],
            desk=desk,
            group=group,
            on_close=give_back,
        )

    def _group(self, name: str, memory: int) -> Group | None:
        places = dict(self._means.cgroups)
        return Group(places, name, memory) if places else None


def _at_home(environment: Mapping[str, str], temporary: str) -> dict[str, str]:
    """What a script keeps for itself goes where it may write, unless it was told otherwise."""
    ours = {"TMPDIR": temporary}
    if environment.get("HOME") == os.environ.get("HOME"):
        ours["HOME"] = temporary
    return {**environment, **ours}
