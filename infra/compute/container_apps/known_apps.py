"""What is known of an installation's apps, so that Azure Resource Manager is asked seldom.

All of them are one list, read every minute; every other second while something of it is coming
or going. How a replica does is asked for one that is not seen to run, and never again once it is:
nodes themselves say how they do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.errors import Unavailable
from infra.compute.container_apps.app import App, Ending
from infra.compute.container_apps.app_endings import AppEndings
from infra.compute.container_apps.arm.arm_calls import ArmRefusal
from infra.compute.container_apps.container_apps import ContainerApps

_log = logging.getLogger(__name__)

SETTLED: Final = 60.0
COMING: Final = 2.0
"""Seconds between two looks."""
_SLOW: Final = 4.0
"""While something comes or goes, a look is taken no more often than it takes, by this factor."""
_IN_PROGRESS: Final = 10.0
"""Seconds between two looks at a replica that the platform does not even call made."""
_STALE: Final = 300.0
"""Seconds for which what was seen is still told while there is no newer answer."""
_LOOKS: Final = 16
"""Replicas that are looked at with each list, those first that were not for the longest time."""


@dataclass
class _Known:
    app: App
    since: float
    runs: bool = False
    ending: Ending | None = None
    looked_at: float = field(default=float("-inf"))


class KnownApps:
    """`installation` says whose. What has been seen to run, or to have ended, is taken to be so
    until its app is another one."""

    def __init__(
        self,
        apps: ContainerApps,
        endings: AppEndings,
        installation: Callable[[], Awaitable[str]],
        now: Callable[[], float],
    ) -> None:
        self._apps = apps
        self._endings = endings
        self._installation = installation
        self._now = now
        self._known: dict[str, _Known] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._took = 0.0
        self._going: set[str] = set()
        self._turn = asyncio.Lock()

    async def all(self) -> Sequence[App]:
        """Raises Unavailable where it cannot be told."""
        async with self._turn:
            began = self._now()
            age = began - self._read_at
            if began - self._tried_at >= self._period:
                self._tried_at = began
                try:
                    await self._read()
                    self._took = self._now() - began
                except Unavailable as error:
                    if age > _STALE:
                        raise
                    _log.warning("Apps are taken to be as they were: %s", error)
                except ArmRefusal as refusal:
                    raise Unavailable(f"Azure Resource Manager refuses: {refusal}") from refusal
        return [each.app for each in self._known.values()]

    def runs(self, app: App) -> bool:
        known = self._known.get(app.name)
        return known is not None and known.runs

    def ending(self, app: App) -> Ending | None:
        known = self._known.get(app.name)
        return known.ending if known is not None else None

    def is_going(self, app: App) -> bool:
        return app.state == "Deleting" or app.name in self._going

    def came(self, app: App) -> None:
        """It was made just now."""
        self._known.setdefault(app.name, _Known(app, self._now()))

    def goes(self, app: App) -> None:
        self._going.add(app.name)

    def look_soon(self) -> None:
        """Somebody else has made or taken away something."""
        self._tried_at = min(self._tried_at, self._now() - self._coming)

    # -- inside

    @property
    def _coming(self) -> float:
        return max(COMING, self._took * _SLOW)

    @property
    def _period(self) -> float:
        is_at_rest = self._is_settled and self._read_at >= self._tried_at
        return max(SETTLED, self._coming) if is_at_rest else self._coming

    @property
    def _is_settled(self) -> bool:
        return not self._going and all(
            (each.runs or each.ending is not None) and each.app.state != "Deleting"
            for each in self._known.values()
        )

    async def _read(self) -> None:
        began = self._now()
        listed = {app.name: app for app in await self._apps.apps(await self._installation())}
        for name in [name for name in self._known if name not in listed]:
            # One that was made as the list was read is not in it yet.
            if self._known[name].since < began:
                del self._known[name]
        self._going &= listed.keys()
        for name, app in listed.items():
            known = self._known.setdefault(name, _Known(app, began))
            known.app = app
        self._read_at = self._now()
        coming = sorted(filter(self._is_due, self._known.values()), key=lambda e: e.looked_at)
        await asyncio.gather(*(self._look(each) for each in coming[:_LOOKS]))

    def _is_due(self, known: _Known) -> bool:
        if known.runs or known.ending is not None or self.is_going(known.app):
            return False
        is_made = known.app.state != "InProgress"
        return is_made or self._now() - known.looked_at >= _IN_PROGRESS

    async def _look(self, known: _Known) -> None:
        known.looked_at = self._now()
        try:
            waited = self._now() - known.since
            known.runs, known.ending = await self._endings.look(known.app, waited)
        except (Unavailable, ArmRefusal) as error:
            _log.warning("How %s does is not known: %s", known.app.node_id, error)
