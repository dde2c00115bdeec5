"""Apps that are on their way out: each goes once nothing is under way there any more."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import Unavailable
from infra.compute.container_apps.app import App
from infra.compute.container_apps.app_draining import AppDraining
from infra.compute.container_apps.arm.arm_calls import ArmRefusal
from infra.compute.container_apps.container_apps import ContainerApps
from infra.compute.container_apps.known_apps import KnownApps

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Departure:
    """`ends`: when it is over at the latest, but for what the platform takes."""

    ends: float
    task: asyncio.Task[None]


class AppDepartures:
    def __init__(
        self,
        apps: ContainerApps,
        known: KnownApps,
        draining: AppDraining,
        now: Callable[[], float],
    ) -> None:
        self._apps = apps
        self._known = known
        self._draining = draining
        self._now = now
        self._leaving: dict[str, _Departure] = {}

    def is_leaving(self, app: App) -> bool:
        return app.name in self._leaving or self._known.is_going(app)

    def leave(self, app: App, *, linger: float, grace: float) -> None:
        """Its ingress stays until nothing can be under way there any more. Of one that is on its
        way already: sooner than it was to, if need be."""
        if self._known.is_going(app):
            return
        ends = self._now() + linger + grace
        before = self._leaving.get(app.name)
        if before is not None and before.ends <= ends:
            return
        if before is not None:
            before.task.cancel()
        task = asyncio.create_task(self._end(app, linger, grace), name=f"end {app.node_id}")
        departure = self._leaving[app.name] = _Departure(ends, task)
        task.add_done_callback(lambda _: self._is_over(app.name, departure))

    async def remove(self, app: App) -> None:
        """At once."""
        try:
            if await self._apps.remove(app.name):
                self._known.goes(app)
        except ArmRefusal as refusal:
            _log.warning("%s cannot be ended: %s", app.node_id, refusal)

    async def close(self) -> None:
        tasks = [each.task for each in self._leaving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside

    def _is_over(self, name: str, departure: _Departure) -> None:
        if self._leaving.get(name) is departure:
            del self._leaving[name]

    async def _end(self, app: App, linger: float, grace: float) -> None:
        try:
            if self._known.runs(app):
                await asyncio.sleep(linger)
                address = app.at((await self._apps.environment()).address)
                if grace and address is not None:
                    await self._draining.drained(address, app.group, grace)
            await self.remove(app)
        except (Unavailable, ArmRefusal) as error:
            _log.warning("%s could not be ended: %s", app.node_id, error)
