"""The fleet of a cluster, as the settings have it."""

import base64
import json
import os
from collections.abc import Awaitable, Callable

import yarl

from domain.ports import Credentials
from infra.compute.kubernetes.api.cluster_access import AccessFault, cluster_access
from infra.compute.kubernetes.api.kubernetes_api import KubernetesApi
from infra.compute.kubernetes.cluster_types import (
    AZURES,
    ClusterTypes,
    TypesFault,
    read_types,
)
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.pods.known_pods import Patience
from infra.compute.kubernetes.pods.pod_template import Claim, Surroundings
from infra.compute.kubernetes.preparations import PodImages
from infra.compute.registry.programs.making import RegistryPlace
from infra.settings import SettingsError
from infra.settings.adapters import ComputeSettings
from infra.settings.kubernetes import KubernetesSettings

_UNPULLED = 120.0


def chosen_cluster(
    settings: ComputeSettings,
    cluster: KubernetesSettings,
    place: RegistryPlace,
    images: PodImages,
    installation: Callable[[], Awaitable[str]],
    types: ClusterTypes,
) -> KubernetesFleet:
    """Raises SettingsError where they lead to no cluster. Asks nobody."""
    try:
        access = cluster_access(cluster.config, cluster.context, os.environ)
    except AccessFault as fault:
        name = KubernetesSettings.environment_name("config")
        raise SettingsError([f"{name}: {fault}"]) from None
    around = Surroundings(
        namespace=cluster.namespace or access.namespace,
        inside=access.inside,
        callers=cluster.callers,
        closed=settings.egress == "closed",
        memory_overcommit=settings.memory_overcommit,
        core_overcommit=settings.core_overcommit,
        pull=pull_of(place.url, place.credentials),
        claims=tuple(_claim(each) for each in cluster.mounts),
        types=types,
    )
    patience = Patience(cluster.unscheduled, _UNPULLED)
    return KubernetesFleet(KubernetesApi(access), images, installation, around, patience)


def chosen_types(cluster: KubernetesSettings) -> ClusterTypes:
    """Raises SettingsError."""
    if cluster.instance_types is None:
        return AZURES
    try:
        return read_types(cluster.instance_types)
    except TypesFault as fault:
        name = KubernetesSettings.environment_name("instance_types")
        raise SettingsError([f"{name}: {each}" for each in fault.faults]) from None


def pull_of(url: str, credentials: Credentials | None) -> str | None:
    if credentials is None:
        return None
    pair = f"{credentials.username}:{credentials.password}"
    opened = {"auth": base64.b64encode(pair.encode()).decode()}
    return json.dumps({"auths": {yarl.URL(url).authority: opened}})


def _claim(mount: str) -> Claim:
    name, path, *more = mount.split(":")
    return Claim(name, path, is_read_only=bool(more))
