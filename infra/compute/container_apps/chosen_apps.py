"""Container Apps as the settings have them."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from domain.ports import Credentials
from infra.compute.container_apps.app_body import Mount
from infra.compute.container_apps.app_draining import AppDraining
from infra.compute.container_apps.app_endings import AppEndings
from infra.compute.container_apps.app_logs import AnalyticsAppLogs, AppLogs, NoAppLogs
from infra.compute.container_apps.arm.arm_budget import ArmBudget
from infra.compute.container_apps.arm.arm_calls import ArmCalls
from infra.compute.container_apps.builds.registry_tasks import RegistryTasks
from infra.compute.container_apps.builds.run_files import RunFiles
from infra.compute.container_apps.container_apps import ContainerApps
from infra.compute.container_apps.container_apps_fleet import ContainerAppsFleet, Own
from infra.compute.container_apps.known_apps import KnownApps
from infra.compute.http.unix_http import UnixHttp
from infra.compute.registry.image_manifest import Platform
from infra.compute.registry.programs.node_images import ChosenImages, ImagesOfNodes
from infra.compute.registry.upkeep.image_purging import A_DAY, ImagePurging, Images, Programs
from infra.compute.registry.upkeep.image_upkeep import Chore, ImageUpkeep
from infra.settings.adapters import ComputeSettings
from infra.settings.container_apps import ContainerAppsSettings
from infra.telemetry.log_analytics import LogAnalytics

RUNS_ON: Final = Platform("linux", "amd64")
"""What Container Apps runs, whatever this host is."""


def arm_calls(settings: ContainerAppsSettings) -> ArmCalls:
    """As this host's own identity, and within one budget."""
    from azure.identity.aio import DefaultAzureCredential

    return ArmCalls(settings.arm_url, DefaultAzureCredential(), ArmBudget(time.monotonic))


def chosen_runs(calls: ArmCalls, settings: ContainerAppsSettings) -> RegistryTasks | None:
    """What builds Dockerfiles; None where no registry is named that does."""
    if settings.registry is None:
        return None
    files = RunFiles(plain=settings.arm_url.startswith("http://"))
    return RegistryTasks(calls, settings.registry, RUNS_ON.architecture, files)


def chosen_apps(
    calls: ArmCalls,
    settings: ContainerAppsSettings,
    images: ImagesOfNodes,
    installation: Callable[[], Awaitable[str]],
    gone: AppLogs,
    *,
    credentials: Credentials | None,
    identities: bool,
    blobs: str | None,
) -> ContainerAppsFleet:
    """Opens nothing, and closes `calls`. Images are pulled by `credentials` where no identity is
    told. `identities`: the platform gives them; `blobs` is where apps reach those that are this
    host's own. `gone` has what apps printed that are not there any more."""
    apps = ContainerApps(calls, settings.environment or "", time.monotonic)
    known = KnownApps(apps, AppEndings(apps), installation, time.monotonic)
    mounts = [Mount(*each.split(":", 1)) for each in settings.mounts]
    puller = settings.pull_identity
    opened = None if puller is not None else credentials
    own = Own(puller, opened, mounts, identities, blobs)
    draining = AppDraining(UnixHttp())
    return ContainerAppsFleet(
        apps, known, images, installation, own, draining, gone, time.monotonic
    )


def app_logs(analytics: LogAnalytics | None) -> AppLogs:
    return NoAppLogs() if analytics is None else AnalyticsAppLogs(analytics, time.monotonic)


def chosen_upkeep(
    settings: ComputeSettings, images: ChosenImages, running: Images, wanted: Programs
) -> ImageUpkeep:
    """Bases are patched, and images go that nothing has used for long."""
    uses, programs = images.uses, images.programs
    age = settings.unused_image_days * A_DAY
    purging = ImagePurging(uses, programs, running, wanted, time.time, age=age)
    purge = Chore("purge", min(A_DAY, age), purging.look)
    return ImageUpkeep(images.due, [images.rebasing, purge])
