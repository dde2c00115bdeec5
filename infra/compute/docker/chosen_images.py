"""Images as the settings have it: the engine's own, or those of a registry."""

import time
from dataclasses import dataclass

import yarl

from infra.compute.docker.engine import Engine
from infra.compute.docker.engine_environments import EngineEnvironments
from infra.compute.docker.engine_facts import EngineFacts
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.images import AGENT, Images
from infra.compute.docker.pulled_environments import PulledEnvironments
from infra.compute.ground.fetched_files import Assets
from infra.compute.registry.dockerfiles.dockerfiles import NoDockerfiles
from infra.compute.registry.environment_images import EnvironmentImages, Shelf
from infra.compute.registry.image_manifest import Platform
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.image_sources import ImageSources
from infra.compute.registry.layer_builds import LayerBuilds
from infra.compute.registry.programs.making import Making, RegistryPlace
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from infra.compute.registry.registry_facts import RegistryFacts
from infra.compute.registry.upkeep.due_looks import DueLooks
from infra.compute.registry.upkeep.image_rebasing import rebasing_chore
from infra.compute.registry.upkeep.image_upkeep import ImageUpkeep
from infra.compute.remote.remote_capabilities import ImageFacts


@dataclass(frozen=True)
class ChosenImages:
    """`builds` of the engine have `base`, what our own programs run on. `upkeep` begins with the
    host, and ends with it."""

    images: Images
    builds: ImageBuilds
    base: str
    facts: ImageFacts
    upkeep: ImageUpkeep | None


def chosen_images(engine: Engine, place: RegistryPlace | None, making: Making) -> ChosenImages:
    """Opens nothing."""
    assets = Assets(making.folder / "files", making.blobs)
    records = ImageRecords(making.store, making.blobs)
    url = yarl.URL(place.url) if place is not None else yarl.URL()
    opened = {url.authority: place.credentials} if place and place.credentials else {}
    builds = ImageBuilds(engine, opened)
    base = making.base.of(AGENT)
    engines = EngineEnvironments(
        builds,
        making.base,
        assets,
        records,
        runtime=making.runtime,
        uv=making.uv,
        packages=making.packages,
    )
    if place is None:
        images = Images(engine, builds, engines, assets)
        return ChosenImages(images, builds, base, EngineFacts(engine, engines), None)
    registry = Registry(RegistryCalls(str(url.origin()), place.credentials))
    shelf = Shelf(registry, f"{url.path.strip('/') or 'ml-endpoints'}/environments")
    sources = ImageSources(registry, Platform.here())
    scratch = making.folder / "layers"
    environments = EnvironmentImages(
        shelf,
        sources,
        LayerBuilds(scratch, making.runtime, making.uv, making.packages),
        records,
        making.packages,
        making.base.of,
        NoDockerfiles(),  # the engine builds them
        scratch=scratch,
    )
    pulled = PulledEnvironments(
        environments,
        builds,
        engines,
        patience=place.patience,
    )
    rebasing = rebasing_chore(environments, records, place.base_refresh_hours)
    upkeep = ImageUpkeep(DueLooks(making.store, time.time), [rebasing])
    images = Images(engine, builds, pulled, assets)
    return ChosenImages(images, builds, base, RegistryFacts(sources, environments), upkeep)
