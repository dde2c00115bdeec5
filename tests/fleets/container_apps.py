"""Instances as apps of Azure Container Apps: of the stand-in, over an engine on this machine."""

import atexit
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from infra.compute.container_apps.app_names import INSTALLATION
from outside.running_host import RunningHost
from tests.fleets.apps_in_azure import environments_of
from tests.fleets.docker import DockerContainers, folders
from tests.kit.apps.apps_stage import PULLER, AppsStage, apps_stage

_WRITABLE = "ML_ENDPOINTS_SCRIPT_WRITABLE"
_READABLE = "ML_ENDPOINTS_SCRIPT_READABLE"


class AppContainers(DockerContainers):
    """What an app runs has its tags as labels, so that it is found as Docker's own are."""

    name = "container_apps"

    def __init__(self, stage: AppsStage) -> None:
        super().__init__(stage.engine)
        self._stage = stage

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        seen = [*folders(told.get(_WRITABLE, "")), *folders(told.get(_READABLE, ""))]
        seen.append(str(meeting.absolute()))
        storages = {f"s{number}": each for number, each in enumerate(dict.fromkeys(seen))}
        environment = self._stage.environment(storages)
        environment.cores = 1000
        gateway = self._stage.gateway(environment)
        _, *network, _ = map(int, gateway.split("."))
        port = 20_000 + (network[0] * 256 + network[1]) % 10_000
        return {
            **self._stage.stand_in.told,
            "ML_ENDPOINTS_COMPUTE": "container_apps",
            "ML_ENDPOINTS_ARM_URL": self._stage.stand_in.url,
            "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT": environment.id,
            "ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY": PULLER,
            "ML_ENDPOINTS_CONTAINER_APPS_REGISTRY": self._stage.registry_id,
            "ML_ENDPOINTS_CONTAINER_APPS_MOUNTS": ",".join(f"{n}:{p}" for n, p in storages.items()),
            "ML_ENDPOINTS_CONTAINER_BASE_IMAGE": self._stage.registry.base,
            "ML_ENDPOINTS_CONTAINER_BLOBS": f"{gateway}:{port}",
            "ML_ENDPOINTS_IMAGE_REGISTRY": self._stage.registry.url,
        }

    def environments(self, host: RunningHost) -> int:
        return environments_of(host)

    def clear_installation(self, mine: str) -> None:
        manager = self._stage.stand_in.manager
        for app in list(manager.apps.values()):
            if app.body["tags"].get(INSTALLATION) == mine:
                manager.runs.end(app)
                manager.apps.pop(app.id.casefold(), None)


@cache
def the_stage() -> AppsStage:
    """The one of this process, until its end."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ml-endpoints-apps-"))
    return stack.enter_context(apps_stage(Path(folder)))
