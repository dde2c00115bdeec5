"""The stand-in, up in a thread of its own."""

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from tests.kit.waiting import PATIENCE
from tests.servers.arm.ingress import Ingress
from tests.servers.arm.manager import Manager
from tests.servers.arm.records import AppRecord, Environment
from tests.servers.arm.registry_routes import RegistryRoutes
from tests.servers.arm.registry_runs import Builds, RegistryRuns
from tests.servers.arm.routes import HEADER, Routes
from tests.servers.arm.runs import Runs
from tests.servers.arm.throttle import Throttle

SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-0000000000aa"
_numbers = itertools.count()


class StandIn:
    """From `start` until `stop`. `builds` carries out what registries build. With `folder`, apps
    have an ingress at port 443 of an address of this machine's own, which takes root to listen
    at."""

    def __init__(self, runs: Runs, builds: Builds, folder: Path | None = None) -> None:
        self.manager = Manager(runs, Throttle())
        self.registry_runs = RegistryRuns(builds)
        self._registry_routes = RegistryRoutes(self.registry_runs)
        self._routes = Routes(self.manager, self._registry_routes)
        self._ingress = Ingress(self._place, self._moved, folder) if folder is not None else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="arm", daemon=True)
        self._runner: web.AppRunner | None = None
        self._numbers = itertools.count()

    @property
    def url(self) -> str:
        return self._routes.url

    def environment(
        self, *, group: str = "models", network: str = "", storages: Mapping[str, str] | None = None
    ) -> Environment:
        """Another one, in a resource group."""
        place = f"{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.App"
        id = f"{place}/managedEnvironments/env-{next(self._numbers)}"
        made = Environment(id, network, dict(storages or {}))
        self.manager.environments[made.key] = made
        return made

    def registry(self, host: str) -> str:
        """The ARM id of another one, which is at `host`."""
        place = f"{SUBSCRIPTION}/resourceGroups/models/providers/Microsoft.ContainerRegistry"
        id = f"{place}/registries/cr{next(self._numbers)}"
        self.registry_runs.registries[id.casefold()] = host
        return id

    @property
    def told(self) -> dict[str, str]:
        """What a process must know to be somebody there, and to trust the ingress."""
        variables = {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": HEADER}
        if self._ingress is not None:
            variables["SSL_CERT_FILE"] = str(self._ingress.authorities)
        return variables

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE)

    async def _start(self) -> None:
        self._runner = web.AppRunner(self._routes.app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._routes.url = self._registry_routes.url = f"http://{host}:{port}"
        self._routes.address = "127.0.0.1"
        if self._ingress is not None:
            self._routes.address = await self._listening(self._ingress)

    async def _listening(self, ingress: Ingress) -> str:
        """An address that nobody else on this machine listens at."""
        for number in itertools.count(os.getpid()):
            address = f"127.{50 + number // 62500 % 200}.{number // 250 % 250}.{number % 250 + 1}"
            with contextlib.suppress(OSError):
                await ingress.start(address)
                return address
        raise AssertionError("unreachable")

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _stop(self) -> None:
        if self._ingress is not None:
            await self._ingress.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._routes.close()

    def _place(self, name: str) -> tuple[str, int] | None:
        app = self._named(name)
        return self.manager.runs.address(app) if app is not None else None

    def _moved(self, name: str) -> None:
        app = self._named(name)
        if app is not None:
            self.manager.runs.moved(app)

    def _named(self, name: str) -> AppRecord | None:
        apps = list(self.manager.apps.values())
        return next((app for app in apps if app.name == name), None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
