"""Instances as pods of a cluster of the tests' own, which are containers of an engine of this
machine."""

import atexit
import hashlib
import random
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from infra.compute.kubernetes.names import INSTALLATION, KEY
from outside.running_host import RunningHost
from tests.fleets.docker import folders, installation_of, processes_in
from tests.fleets.fleet import Fleet
from tests.kit.clusters.cluster_images import BaseRegistry, base_registry
from tests.kit.waiting import until
from tests.servers.engine.dockerd import EngineApi
from tests.servers.engine.given import given_engine
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster
from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.machines.pod_containers import POD

_WRITABLE = "ML_ENDPOINTS_SCRIPT_WRITABLE"
_READABLE = "ML_ENDPOINTS_SCRIPT_READABLE"


_TEAM = "team"
"""A namespace beside the hosts' own."""


class KubernetesPods(Fleet):
    name = "kubernetes"
    restart: Callable[[], None] | None = None

    def __init__(self, cluster: Cluster, registry: BaseRegistry, engine: EngineApi) -> None:
        self.cluster = cluster
        self._registry = registry
        self._engine = engine
        self._folder = Path(tempfile.mkdtemp(prefix="ml-endpoints-cluster-"))
        self.cluster.call(lambda: self.cluster.namespace(_TEAM))

    def another_namespace(self) -> str:
        return _TEAM

    def pods_in(self, namespace: str, host: RunningHost) -> list[Any]:
        there = self.cluster.call(lambda: self.cluster.store.all("pods", namespace))
        return self._of(installation_of(host), there)

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        writable = [*folders(told.get(_WRITABLE, "")), str(meeting.absolute())]
        mounts = [f"{self._claim(each)}:{each}" for each in dict.fromkeys(writable)]
        mounts += [f"{self._claim(each)}:{each}:ro" for each in folders(told.get(_READABLE, ""))]
        registry = self._registry.registry
        return {
            "ML_ENDPOINTS_COMPUTE": "kubernetes",
            "ML_ENDPOINTS_KUBERNETES_CONFIG": str(self.cluster.kubeconfig(self._folder / "config")),
            "ML_ENDPOINTS_KUBERNETES_MOUNTS": ",".join(mounts),
            "ML_ENDPOINTS_IMAGE_REGISTRY": f"{registry.url}/{_shelf_of(meeting)}",
            "ML_ENDPOINTS_CONTAINER_BASE_IMAGE": self._registry.base,
            "ML_ENDPOINTS_CONTAINER_BLOBS": f"{self.cluster.gateway}:{_free_port()}",
        }

    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        return {
            each["metadata"]["uid"]
            for each in self._pods(host)
            if each["metadata"]["annotations"].get(KEY) == f"online/{deployment}"
            and all("running" in c["state"] for c in each["status"]["containerStatuses"])
        }

    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        there = self.instances(host, deployment)
        mine = [each for each in self._pods(host) if each["metadata"]["uid"] in there]
        ids = [each["Id"] for pod in mine for each in self._containers(pod)]
        return processes_in(self._engine, ids, " serve ")

    def workers(self, host: RunningHost) -> set[str]:
        ids = [each["Id"] for pod in self._pods(host) for each in self._containers(pod)]
        return processes_in(self._engine, ids, " work ")

    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        wanted = "workers/" if doing == "work" else "online/"
        there = [
            each
            for each in self._pods(host)
            if each["metadata"]["annotations"].get(KEY, "").startswith(wanted)
        ]
        if not there:
            return None
        victim = rng.choice(sorted(there, key=lambda each: str(each["metadata"]["name"])))
        what = rng.choice(("kill", "pause", "delete"))
        if what == "delete":
            options = {"gracePeriodSeconds": 1}
            kind = BY_PLURAL["pods"]
            self.cluster.call(lambda: self.cluster.controllers.delete(kind, victim, options))
            return what
        for each in self._containers(victim):
            self._engine.ask("POST", f"containers/{each['Id']}/{what}")
        return what

    def environments(self, host: RunningHost) -> int:
        shelf = f"{_shelf_of(host.meeting)}/environments/"
        return sum(each.startswith(shelf) for each in self._registry.registry.names())

    def clear(self, host: RunningHost) -> None:
        mine = installation_of(host)
        if not mine:
            return

        def gone() -> bool:
            def deleted() -> list[Any]:
                store, kind = self.cluster.store, BY_PLURAL["deployments"]
                for each in self._of(mine, store.all("deployments", NAMESPACE)):
                    store.remove(kind, NAMESPACE, each["metadata"]["name"])
                for each in self._of(mine, store.all("pods", NAMESPACE)):
                    options = {"gracePeriodSeconds": 1}
                    self.cluster.controllers.delete(BY_PLURAL["pods"], each, options)
                return self._of(mine, store.all("pods", NAMESPACE))

            return not self.cluster.call(deleted)

        until(gone, "the pods of the host have gone")

    # -- inside

    def _claim(self, folder: str) -> str:
        name = f"folder-{hashlib.sha256(folder.encode()).hexdigest()[:16]}"
        for namespace in (NAMESPACE, _TEAM):
            self.cluster.claim(name, Path(folder), namespace)
        return name

    def _pods(self, host: RunningHost) -> list[Any]:
        mine = installation_of(host)
        there = self.cluster.call(lambda: self.cluster.store.all("pods", NAMESPACE))
        return [
            each
            for each in self._of(mine, there)
            if not each["metadata"].get("deletionTimestamp")
            and (each.get("status") or {}).get("containerStatuses")
        ]

    def _containers(self, pod: Any) -> Sequence[Any]:
        found = self._engine.containers(f"{POD}={pod['metadata']['uid']}")
        return [
            each
            for each in found
            if each["State"] == "running" and "sandbox" not in each["Names"][0]
        ]

    @staticmethod
    def _of(installation: str, objects: Sequence[Any]) -> list[Any]:
        return [
            each
            for each in objects
            if installation
            and (each["metadata"].get("labels") or {}).get(INSTALLATION) == installation
        ]


def _shelf_of(meeting: Path) -> str:
    """Where the registry has the images of one host."""
    return f"of-{hashlib.sha256(str(meeting).encode()).hexdigest()[:12]}"


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("", 0))
        return int(asking.getsockname()[1])


@cache
def the_cluster() -> KubernetesPods:
    """One for this process of tests; else the test is skipped."""
    engine = given_engine()
    stack = ExitStack()
    folder = Path(tempfile.mkdtemp(prefix="ml-endpoints-cluster-"))
    registry = stack.enter_context(base_registry(folder / "registry"))
    cluster = stack.enter_context(Cluster(folder / "tls", engine))
    atexit.register(stack.close)
    return KubernetesPods(cluster, registry, engine)
