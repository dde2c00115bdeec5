"""Which compute models run on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from domain.ports import (
    BlobStore,
    Capabilities,
    Cipher,
    EnvironmentSpec,
    IsolationPart,
    ResourceStore,
    Scorer,
    Serving,
    Workers,
)
from domain.ports.records.running_meter import RunningMeter
from infra.compute.gateway import Gateway
from infra.compute.identity_lending import IdentityLending
from infra.compute.node_lending import NodeLending
from infra.compute.package_sources import PackageSources
from infra.compute.shelves import NO_SHELVES, Shelves, shares_files
from infra.compute.succession import Succession
from infra.settings.adapters import ComputeSettings, Host, TelemetrySettings
from infra.settings.container_apps import ContainerAppsSettings
from infra.settings.kubernetes import KubernetesSettings

if TYPE_CHECKING:
    from infra.compute.ground.local_limits import LocalLimits
    from infra.compute.local.isolation.means import Wish
    from infra.compute.local.local_disk import LocalDisk
    from infra.compute.local.serving.instance_figures import Running
    from infra.compute.registry.programs.making import Making, RegistryPlace


_REGISTRY_PATIENCE = 120.0


async def no_networks() -> Sequence[Gateway]:
    """Models run in this machine's own."""
    return ()


@dataclass(frozen=True)
class Compute:
    """One family of adapters. `start` may be left out: each begins at its first use. `close` at
    the end."""

    capabilities: Capabilities
    serving: Serving
    scorer: Scorer
    workers: Workers
    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    meter: RunningMeter | None = None
    """For how long instances and workers run; None where there are none."""
    running: "Running | None" = None
    """What can be measured of instances, where this host runs them."""
    disk: "LocalDisk | None" = None
    """What it keeps on this machine."""
    succession: Succession | None = None
    """What it asks for that another host follows this one, where this host runs them."""
    gateway: Callable[[], Awaitable[Gateway]] | None = None
    """How whatever runs models reaches its machine, where it is in a network of its own."""
    networks: Callable[[], Awaitable[Sequence[Gateway]]] = no_networks
    """Those that models run in, where they are their own and there already."""
    shelves: Shelves = NO_SHELVES
    """Where files of this machine are lent to whatever runs models."""
    script_users: Callable[[], range] = lambda: range(0)
    """The users of this machine that scripts run as, once it has started, and nobody else."""


@dataclass(frozen=True)
class Beside:
    """What a compute is beside. What it keeps on this machine is under `data_dir`; `blob_files` is
    where `blobs` are plain files of this machine. `store` is shared by all hosts of the
    installation, and `cipher` opens what any of them has sealed. Environments' packages come
    from `packages`, and programs are who `identities` makes them. What units on nodes
    are lent is `lending`."""

    data_dir: Path
    blobs: BlobStore
    blob_files: Path | None
    store: ResourceStore
    cipher: Cipher
    packages: PackageSources
    identities: IdentityLending
    lending: NodeLending


class Told(Protocol):
    """Of the settings, those that say where models run."""

    @property
    def compute(self) -> ComputeSettings: ...

    @property
    def container_apps(self) -> ContainerAppsSettings: ...

    @property
    def kubernetes(self) -> KubernetesSettings: ...

    @property
    def telemetry(self) -> TelemetrySettings: ...


def chosen_compute(told: Told, host: Host, beside: Beside) -> Compute:
    """Opens nothing."""
    settings = told.compute
    match settings.kind_for(host):
        case "local":
            return _local(settings, beside)
        case "docker":
            return _docker(settings, beside)
        case "container_apps":
            return _container_apps(settings, told.container_apps, told.telemetry, beside)
        case "kubernetes":
            return _kubernetes(settings, told.kubernetes, host, beside)
        case "none":
            from infra.compute.no_compute import (
                NoCapabilities,
                NoScorer,
                NoServing,
                NoWorkers,
                nothing,
            )

            return Compute(
                capabilities=NoCapabilities(),
                serving=NoServing(),
                scorer=NoScorer(),
                workers=NoWorkers(),
                start=nothing,
                close=nothing,
            )


def _local(settings: ComputeSettings, beside: Beside) -> Compute:
    from uv import find_uv_bin

    from infra.compute.local.files.outputs import Outputs, OutputsInPlace
    from infra.compute.local.files.uploaded_outputs import UploadedOutputs
    from infra.compute.local.isolation.isolation import Isolation
    from infra.compute.local.local_compute import LocalCompute
    from infra.compute.local.premises import RUNTIME

    outputs: Outputs = (
        OutputsInPlace(beside.blob_files)
        if beside.blob_files is not None
        else UploadedOutputs(beside.data_dir / "compute" / "outputs", beside.blobs)
    )
    local = LocalCompute(
        beside.data_dir,
        beside.blobs,
        outputs,
        uv=find_uv_bin(),
        packages=beside.packages,
        isolation=Isolation(_wish(settings), beside.data_dir, RUNTIME, beside.identities),
        limits=_limits(settings),
    )
    return Compute(
        capabilities=local.capabilities,
        serving=local.serving,
        scorer=local.scorer,
        workers=local.workers,
        start=local.start,
        close=local.close,
        meter=local.premises.lives,
        running=local.serving,
        disk=local.disk,
        succession=local.succession,
        script_users=lambda: local.premises.isolation.users,
    )


def _docker(settings: ComputeSettings, beside: Beside) -> Compute:
    """Instances and workers in containers."""
    from infra.compute.docker.chosen_images import chosen_images
    from infra.compute.docker.docker_fleet import DockerFleet
    from infra.compute.docker.engine import Engine
    from infra.compute.docker.engine_room import EngineRoom
    from infra.compute.docker.network.metadata_guard import MetadataGuard
    from infra.compute.docker.network.networks import Networks
    from infra.compute.ground.container_isolation import is_here, parts
    from infra.compute.ground.isolation_telling import tell
    from infra.compute.remote.installation import Installation
    from infra.compute.remote.remote_capabilities import RemoteCapabilities
    from infra.compute.remote.remote_compute import RemoteCompute

    engine = Engine(settings.engine)
    chosen = chosen_images(engine, _registry(settings), _making(settings, beside))
    closed, must = settings.egress == "closed", settings.isolation == "required"
    guard = MetadataGuard(engine, chosen.builds, chosen.base, required=must)
    shelves = _shelves(settings, beside)
    fleet = DockerFleet(
        engine,
        chosen.images,
        Networks(engine, guard, closed=closed),
        Installation(beside.store).id,
        mounts=settings.mounts,
        shelves=shelves,
        room=EngineRoom(_limits(settings)),
        now=time.monotonic,
    )
    store, blobs, who = beside.store, beside.blobs, beside.identities
    remote = RemoteCompute(fleet, store, beside.cipher, blobs, beside.lending, who)

    def apart() -> Sequence[IsolationPart]:
        return parts(closed=closed, fault=guard.fault, is_here=is_here(settings.engine))

    async def start() -> None:
        tell(apart(), settings.isolation)
        await asyncio.to_thread(shelves.sweep)
        await remote.start()
        if chosen.upkeep is not None:
            chosen.upkeep.start()

    async def close() -> None:
        if chosen.upkeep is not None:
            await chosen.upkeep.close()
        await remote.close()

    return Compute(
        capabilities=RemoteCapabilities(chosen.facts, _triton(settings), apart),
        serving=remote.serving,
        scorer=remote.scorer,
        workers=remote.workers,
        meter=remote.meter,
        start=start,
        close=close,
        gateway=fleet.gateway,
        networks=fleet.networks,
        shelves=shelves,
    )


def _shelves(settings: ComputeSettings, beside: Beside) -> Shelves:
    if beside.blob_files is None or not shares_files(settings.engine):
        return NO_SHELVES
    return Shelves(beside.data_dir.absolute() / "compute" / "lent")


def _container_apps(
    settings: ComputeSettings,
    apps: ContainerAppsSettings,
    telemetry: TelemetrySettings,
    beside: Beside,
) -> Compute:
    """Instances and nodes are apps of their own."""
    from infra.compute.container_apps import chosen_apps as chosen
    from infra.compute.container_apps.app_capabilities import AppCapabilities
    from infra.compute.container_apps.app_isolation import parts
    from infra.compute.ground.isolation_telling import tell
    from infra.compute.registry.programs.registry_images import registry_images
    from infra.compute.remote.installation import Installation
    from infra.compute.remote.remote_capabilities import RemoteCapabilities
    from infra.compute.remote.remote_compute import RemoteCompute
    from infra.telemetry.log_analytics import named

    place = _registry(settings)
    if place is None:
        raise ValueError("Container Apps need a registry")  # the settings have said so
    calls = chosen.arm_calls(apps)
    runs = chosen.chosen_runs(calls, apps)
    images = registry_images(place, _making(settings, beside), chosen.RUNS_ON, runs)
    analytics = named(telemetry)
    fleet = chosen.chosen_apps(
        calls,
        apps,
        images.images,
        Installation(beside.store).id,
        chosen.app_logs(analytics),
        credentials=place.credentials,
        identities=not beside.identities.lends,
        blobs=settings.blobs_address,
    )
    store, blobs, who = beside.store, beside.blobs, beside.identities
    remote = RemoteCompute(fleet, store, beside.cipher, blobs, beside.lending, who)
    upkeep = chosen.chosen_upkeep(settings, images, fleet.images, remote.programs)

    async def start() -> None:
        tell(parts(), settings.isolation)
        await remote.start()
        upkeep.start()

    async def close() -> None:
        await upkeep.close()
        await remote.close()
        if analytics is not None:
            await analytics.close()

    shared = RemoteCapabilities(images.facts, _triton(settings), parts)
    return Compute(
        capabilities=AppCapabilities(shared, builds=runs is not None),
        serving=remote.serving,
        scorer=remote.scorer,
        workers=remote.workers,
        meter=remote.meter,
        start=start,
        close=close,
        gateway=fleet.gateway,
    )


def _kubernetes(
    settings: ComputeSettings, cluster: KubernetesSettings, host: Host, beside: Beside
) -> Compute:
    """Instances and nodes in pods."""
    from infra.compute.ground.isolation_telling import tell
    from infra.compute.kubernetes.chosen_cluster import chosen_cluster
    from infra.compute.kubernetes.cluster_capabilities import ClusterCapabilities
    from infra.compute.kubernetes.cluster_isolation import parts
    from infra.compute.registry.image_manifest import Platform
    from infra.compute.registry.programs.registry_images import registry_images
    from infra.compute.registry.upkeep.image_upkeep import ImageUpkeep
    from infra.compute.remote.remote_capabilities import RemoteCapabilities
    from infra.compute.remote.remote_compute import RemoteCompute

    place = _registry(settings)
    if place is None:
        raise ValueError("a cluster needs a registry")  # the settings have said so
    chosen = registry_images(place, _making(settings, beside), Platform.here(), None)
    there = chosen_cluster(settings, cluster, host, place, chosen.images, beside.store)
    fleet = there.fleet
    store, blobs, who = beside.store, beside.blobs, beside.identities
    remote = RemoteCompute(fleet, store, beside.cipher, blobs, beside.lending, who)
    upkeep = ImageUpkeep(chosen.due, [chosen.rebasing])

    async def start() -> None:
        tell(parts(), settings.isolation)
        await remote.start()
        upkeep.start()

    async def close() -> None:
        await upkeep.close()
        await remote.close()

    async def told() -> Gateway:
        """Nodes are told another address: this one is not used."""
        return Gateway("", "0.0.0.0/32")

    return Compute(
        capabilities=ClusterCapabilities(
            RemoteCapabilities(chosen.facts, _triton(settings), parts),
            there.types,
            there.trial,
            cluster.resource_id,
        ),
        serving=remote.serving,
        scorer=remote.scorer,
        workers=remote.workers,
        meter=remote.meter,
        start=start,
        close=close,
        gateway=fleet.gateway if settings.blobs_address is None else told,
    )


def _making(settings: ComputeSettings, beside: Beside) -> "Making":
    from uv import find_uv_bin

    from infra.compute.local.premises import RUNTIME
    from infra.compute.registry.programs.making import BaseImage, Making

    return Making(
        beside.blobs,
        beside.store,
        BaseImage(settings.base_image),
        beside.data_dir / "containers",
        RUNTIME,
        find_uv_bin(),
        beside.packages,
    )


def _triton(settings: ComputeSettings) -> EnvironmentSpec:
    from infra.compute.remote.remote_capabilities import triton_environment

    return triton_environment(settings.triton_image)


def _registry(settings: ComputeSettings) -> "RegistryPlace | None":
    from infra.compute.registry.programs.making import RegistryPlace

    place = settings.image_registry
    if place is None:
        return None
    return RegistryPlace(
        place.url, place.credentials, settings.base_refresh_hours, patience=_REGISTRY_PATIENCE
    )


def _wish(settings: ComputeSettings) -> "Wish":
    from infra.compute.local.isolation.means import Wish

    return Wish(
        settings.isolation,
        settings.script_network,
        settings.script_readable,
        settings.script_writable,
    )


def _limits(settings: ComputeSettings) -> "LocalLimits":
    from infra.compute.ground.local_limits import LocalLimits
    from infra.compute.ground.room import default_memory

    return LocalLimits(
        memory=settings.machine_memory or default_memory(),
        memory_overcommit=settings.memory_overcommit,
        core_overcommit=settings.core_overcommit,
        script_files=settings.script_files_max_bytes,
        script_output=settings.script_output_max_bytes,
        kept_environments=settings.unused_environments,
        kept_age=timedelta(days=settings.unused_environment_days),
    )
