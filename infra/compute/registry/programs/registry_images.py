"""Images of nodes from a registry alone, as the settings have it."""

import time

import yarl

from domain.ports import Credentials
from infra.compute.ground.fetched_files import Assets
from infra.compute.registry.dockerfiles.built_dockerfiles import BuiltDockerfiles, DockerfileRuns
from infra.compute.registry.dockerfiles.dockerfiles import NoDockerfiles
from infra.compute.registry.environment_images import EnvironmentImages, Shelf
from infra.compute.registry.image_manifest import Platform
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.image_sources import ImageSources
from infra.compute.registry.layer_builds import LayerBuilds
from infra.compute.registry.login.identity_login import IdentityLogin, is_azures
from infra.compute.registry.programs.making import Making, RegistryPlace
from infra.compute.registry.programs.node_images import ChosenImages, NodeImages
from infra.compute.registry.programs.program_images import ProgramImages
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_access import Login
from infra.compute.registry.registry_calls import RegistryCalls
from infra.compute.registry.registry_facts import RegistryFacts
from infra.compute.registry.upkeep.due_looks import DueLooks
from infra.compute.registry.upkeep.image_rebasing import rebasing_chore
from infra.compute.registry.upkeep.image_uses import ImageUses


def _opened(place: RegistryPlace, url: yarl.URL) -> Credentials | Login | None:
    """Azure's own, where no password is told, by the identity that this host has."""
    if place.credentials is not None or not is_azures(url):
        return place.credentials
    from azure.identity.aio import DefaultAzureCredential

    return IdentityLogin(url.origin(), DefaultAzureCredential())


def registry_images(
    place: RegistryPlace, making: Making, platform: Platform, runs: DockerfileRuns | None
) -> ChosenImages:
    """For nodes on `platform`; Dockerfiles are built by `runs`, if anybody does. Opens nothing."""
    assets = Assets(making.folder / "files", making.blobs)
    records = ImageRecords(making.store, making.blobs)
    url = yarl.URL(place.url)
    registry = Registry(RegistryCalls(str(url.origin()), _opened(place, url)))
    path, scratch = url.path.strip("/") or "ml-endpoints", making.folder / "layers"
    sources = ImageSources(registry, platform)
    uses = ImageUses(making.store, registry, path, time.time)
    environments = EnvironmentImages(
        Shelf(registry, f"{path}/environments"),
        sources,
        LayerBuilds(scratch, making.runtime, making.uv, making.packages),
        records,
        making.packages,
        making.base.of,
        NoDockerfiles()
        if runs is None
        else BuiltDockerfiles(registry, f"{path}/dockerfiles", runs, records, assets, uses),
        scratch=scratch,
    )
    shelf = Shelf(registry, f"{path}/programs")
    programs = ProgramImages(shelf, environments, sources, assets, uses, scratch=scratch)
    return ChosenImages(
        NodeImages(programs, environments, assets, patience=place.patience),
        RegistryFacts(sources, environments),
        programs,
        uses,
        DueLooks(making.store, time.time),
        rebasing_chore(environments, records, place.base_refresh_hours),
    )
