"""The fleet of a cluster, as the settings have it."""

import base64
import json
import os
from dataclasses import dataclass, replace

import yarl

from domain.ports import Credentials, ResourceStore
from infra.compute.kubernetes.api.cluster_access import AccessFault, cluster_access
from infra.compute.kubernetes.api.kubernetes_api import KubernetesApi
from infra.compute.kubernetes.cluster_types import (
    AZURES,
    ClusterTypes,
    TypesFault,
    read_types,
)
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.namespaces.cluster_fleet import ClusterFleet
from infra.compute.kubernetes.namespaces.known_namespaces import KnownNamespaces
from infra.compute.kubernetes.namespaces.namespace_trial import NamespaceTrial
from infra.compute.kubernetes.pods.known_pods import Patience
from infra.compute.kubernetes.pods.pod_template import Claim, Surroundings
from infra.compute.kubernetes.preparations import PodImages
from infra.compute.registry.programs.making import RegistryPlace
from infra.compute.remote.installation import Installation
from infra.settings import SettingsError
from infra.settings.adapters import ComputeSettings, Host
from infra.settings.kubernetes import KubernetesSettings

_UNPULLED = 120.0
_PERIOD = 5.0
"""Seconds between lists, for hosts that may stand still at any time and so hold no watch."""


@dataclass(frozen=True)
class ChosenCluster:
    fleet: ClusterFleet
    types: ClusterTypes
    trial: NamespaceTrial


def chosen_cluster(
    settings: ComputeSettings,
    cluster: KubernetesSettings,
    host: Host,
    place: RegistryPlace,
    images: PodImages,
    store: ResourceStore,
) -> ChosenCluster:
    """Raises SettingsError where they lead to no cluster. Asks nobody."""
    types = _chosen_types(cluster)
    try:
        access = cluster_access(cluster.config, cluster.context, os.environ)
    except AccessFault as fault:
        name = KubernetesSettings.environment_name("config")
        raise SettingsError([f"{name}: {fault}"]) from None
    priorities = {"serve": cluster.online_priority, "work": cluster.batch_priority}
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
        priorities={mode: name for mode, name in priorities.items() if name is not None},
        by_machines=cluster.reach == "machines",
        listed_every=_PERIOD if host == "functions" else None,
    )
    patience = Patience(cluster.unscheduled, _UNPULLED)
    api, installation = KubernetesApi(access), Installation(store).id

    def at(namespace: str) -> KubernetesFleet:
        there = replace(around, namespace=namespace)
        return KubernetesFleet(api, images, installation, there, patience)

    fleet = ClusterFleet(at, around.namespace, KnownNamespaces(store))
    return ChosenCluster(fleet, types, NamespaceTrial(api))


def _chosen_types(cluster: KubernetesSettings) -> ClusterTypes:
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
