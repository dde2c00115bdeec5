"""Container Apps as a platform that the contract is tried on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.compute.container_apps.app_logs import NoAppLogs
from infra.compute.container_apps.chosen_apps import arm_calls, chosen_apps
from infra.compute.remote.fleet import Fleet
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.settings.container_apps import ContainerAppsSettings
from tests.contract.fleets.platform import Opener, Platform
from tests.kit.apps.apps_stage import PULLER, apps_stage


@contextmanager
def apps(folder: Path) -> Iterator[Platform]:
    with apps_stage(folder) as stage, pytest.MonkeyPatch.context() as patch:
        for name, value in stage.stand_in.told.items():
            patch.setenv(name, value)
        environment = stage.environment()

        def at(url: str) -> Opener:
            def opened(blobs: FileBlobStore, folder: Path, installation: str) -> Fleet:
                async def named() -> str:
                    return installation

                settings = ContainerAppsSettings(
                    environment=environment.id, pull_identity=PULLER, arm_url=url
                )
                images = stage.registry.images(blobs, folder).images
                return chosen_apps(
                    arm_calls(settings),
                    settings,
                    images,
                    named,
                    NoAppLogs(),
                    credentials=None,
                    identities=False,
                    blobs=None,
                )

            return opened

        yield Platform(
            "container_apps",
            at(stage.stand_in.url),
            at("http://127.0.0.1:9"),
            "Azure Resource Manager at 127.0.0.1 does not answer",
        )
