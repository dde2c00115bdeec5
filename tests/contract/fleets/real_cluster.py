"""A cluster that is really there, as a platform that the contract is tried on."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yarl

from domain.ports import Credentials
from infra.compute.kubernetes.api.cluster_access import ClusterAccess, cluster_access
from infra.compute.kubernetes.api.kubernetes_api import KubernetesApi
from infra.compute.kubernetes.chosen_cluster import pull_of
from infra.compute.kubernetes.cluster_types import AZURES
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.pods.known_pods import Patience
from infra.compute.kubernetes.pods.pod_template import Surroundings
from infra.compute.local.premises import RUNTIME
from infra.compute.registry.image_manifest import Platform as ImagePlatform
from infra.compute.registry.programs.making import BaseImage, Making, RegistryPlace
from infra.compute.registry.programs.registry_images import registry_images
from infra.compute.remote.fleet import Fleet
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.contract.fleets.cluster_platform import pod_is_ready
from tests.contract.fleets.platform import Opener, Platform
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.engine_images import UV
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

_CONFIG: Final = "CLUSTER_TESTS_KUBECONFIG"
_REGISTRY: Final = "CLUSTER_TESTS_REGISTRY"
_BASE: Final = "CLUSTER_TESTS_BASE_IMAGE"


@contextmanager
def real_cluster(folder: Path) -> Iterator[Platform]:
    """In the namespace of its context."""
    config, registry = os.environ.get(_CONFIG), os.environ.get(_REGISTRY)
    if not config or not registry:
        pytest.skip(f"no {_CONFIG} and {_REGISTRY} name a cluster and its registry")
    access = cluster_access(Path(config).expanduser(), None, {})
    lost = replace(access, server="https://127.0.0.1:9")
    at = _opener(registry, access), _opener(registry, lost)
    counts = pod_is_ready(access, access.namespace)
    yield Platform("real_cluster", *at, "No API server at", keeps_words=False, counts=counts)


def _opener(registry: str, access: ClusterAccess) -> Opener:
    url = yarl.URL(registry)
    credentials = Credentials(url.user, url.password or "") if url.user else None
    place = RegistryPlace(str(url.with_user(None)), credentials, 0, patience=60)
    base = BaseImage(os.environ.get(_BASE) or "python:{python}-slim")
    pull = pull_of(place.url, credentials)
    around = Surroundings(
        access.namespace, False, (), False, 16, 32, pull, (), AZURES, {}, False, None
    )

    def opened(blobs: FileBlobStore, folder: Path, installation: str) -> Fleet:
        async def named() -> str:
            return installation

        store = MemoryResourceStore(time.time)
        making = Making(blobs, store, base, folder, RUNTIME, UV, USUAL_PACKAGES)
        images = registry_images(place, making, ImagePlatform.here(), None).images
        return KubernetesFleet(KubernetesApi(access), images, named, around, Patience(600, 60))

    return opened
