"""Instances as apps in Azure itself (docs/azure.md says how): written, and never run."""

import asyncio
import itertools
import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from infra.compute.container_apps.app import App
from infra.compute.container_apps.app_names import KEY
from infra.compute.container_apps.arm.arm_budget import ArmBudget
from infra.compute.container_apps.arm.arm_calls import ArmCalls
from infra.compute.container_apps.container_apps import ContainerApps
from outside.running_host import RunningHost
from tests.fleets.docker import installation_of
from tests.fleets.fleet import Fleet

PREFIX = "CONTAINER_APPS_TESTS_"
ENVIRONMENT = f"{PREFIX}ENVIRONMENT"
Act = Callable[[ContainerApps, Sequence[App]], Awaitable[None]]
_ARM = "https://management.azure.com"


class AppsInAzure(Fleet):
    """What a test's script writes to is below the share that all of them mount."""

    name = "container_apps"

    def __init__(self) -> None:
        self._given = {
            name: os.environ[f"{PREFIX}{name}"]
            for name in ("ENVIRONMENT", "REGISTRY", "PULL_IDENTITY", "STORAGE", "ADDRESS")
        }
        self._ports = itertools.count(20_000)

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        share = Path(self._given["STORAGE"].partition(":")[2])
        if share not in meeting.absolute().parents:
            wanted = f"PYTEST_ADDOPTS=--basetemp={share}/tests"
            raise SystemExit(f"give pytest a folder of the share: {wanted}")
        return {
            "ML_ENDPOINTS_COMPUTE": "container_apps",
            "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT": self._given["ENVIRONMENT"],
            "ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY": self._given["PULL_IDENTITY"],
            "ML_ENDPOINTS_CONTAINER_APPS_MOUNTS": self._given["STORAGE"],
            "ML_ENDPOINTS_CONTAINER_BLOBS": f"{self._given['ADDRESS']}:{next(self._ports)}",
            "ML_ENDPOINTS_IMAGE_REGISTRY": self._given["REGISTRY"],
        }

    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        mine = self._apps(host)
        return {app.name for app in mine if app.tags.get(KEY) == f"online/{deployment}"}

    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        """Of each app's one: no process of it is seen from here."""
        return self.instances(host, deployment)

    def workers(self, host: RunningHost) -> set[str]:
        mine = self._apps(host)
        return {app.name for app in mine if app.tags.get(KEY, "").startswith("workers/")}

    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        return None

    def environments(self, host: RunningHost) -> int:
        return environments_of(host)

    def clear(self, host: RunningHost) -> None:
        async def removed(apps: ContainerApps, mine: Sequence[App]) -> None:
            await asyncio.gather(*(apps.remove(app.name) for app in mine))

        asyncio.run(self._asked(host, removed))

    def _apps(self, host: RunningHost) -> Sequence[App]:
        async def nothing(apps: ContainerApps, mine: Sequence[App]) -> None: ...

        return asyncio.run(self._asked(host, nothing))

    async def _asked(self, host: RunningHost, act: Act) -> Sequence[App]:
        from azure.identity.aio import DefaultAzureCredential

        calls = ArmCalls(_ARM, DefaultAzureCredential(), ArmBudget(time.monotonic))
        apps = ContainerApps(calls, self._given["ENVIRONMENT"], time.monotonic)
        try:
            mine = await apps.apps(installation_of(host))
            await act(apps, mine)
            return mine
        finally:
            await apps.close()


def environments_of(host: RunningHost) -> int:
    """Images of environments that an installation has made in its registry."""
    query = "SELECT COUNT(*) FROM documents WHERE kind = 'environmentImage'"
    with closing(sqlite3.connect(host.data_dir / "documents.db")) as documents:
        return int(documents.execute(query).fetchone()[0])
