"""Instances as pods of a cluster that is really there (CONTRIBUTING.md says what it needs)."""

import asyncio
import os
import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from infra.compute.kubernetes.api.cluster_access import cluster_access
from infra.compute.kubernetes.api.kubernetes_api import DEPLOYMENTS, PODS, KubernetesApi
from infra.compute.kubernetes.names import INSTALLATION, KEY
from outside.running_host import RunningHost
from tests.fleets.apps_in_azure import environments_of
from tests.fleets.docker import installation_of
from tests.fleets.fleet import Fleet
from tests.kit.waiting import until

PREFIX: Final = "CLUSTER_TESTS_"
KUBECONFIG: Final = f"{PREFIX}KUBECONFIG"
NEEDED: Final = ("REGISTRY", "STORAGE", "ADDRESS")


class RealCluster(Fleet):
    """In the namespace of the kubeconfig's context. What a test's script writes to is below the
    folder of the claim that all pods mount."""

    name = "kubernetes"

    def __init__(self) -> None:
        lacking = [f"{PREFIX}{each}" for each in NEEDED if not os.environ.get(f"{PREFIX}{each}")]
        if lacking:
            raise SystemExit(f"a cluster that is really there needs {', '.join(lacking)}, too")
        self._config = Path(os.environ[KUBECONFIG]).expanduser()
        self._given = {name: os.environ[f"{PREFIX}{name}"] for name in NEEDED}
        self._base = os.environ.get(f"{PREFIX}BASE_IMAGE", "")
        self._reach = os.environ.get(f"{PREFIX}REACH", "pods")
        self._namespace = cluster_access(self._config, None, {}).namespace

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        share = Path(self._given["STORAGE"].partition(":")[2])
        if share not in meeting.absolute().parents:
            wanted = f"PYTEST_ADDOPTS=--basetemp={share}/tests"
            raise SystemExit(f"give pytest a folder of the share: {wanted}")
        base = {"ML_ENDPOINTS_CONTAINER_BASE_IMAGE": self._base} if self._base else {}
        return {
            "ML_ENDPOINTS_COMPUTE": "kubernetes",
            "ML_ENDPOINTS_KUBERNETES_CONFIG": str(self._config),
            "ML_ENDPOINTS_KUBERNETES_MOUNTS": self._given["STORAGE"],
            "ML_ENDPOINTS_KUBERNETES_REACH": self._reach,
            "ML_ENDPOINTS_CONTAINER_BLOBS": f"{self._given['ADDRESS']}:{_free_port()}",
            "ML_ENDPOINTS_IMAGE_REGISTRY": self._given["REGISTRY"],
            **base,
        }

    def another_namespace(self) -> str:
        found = os.environ.get(f"{PREFIX}NAMESPACE")
        if not found:
            raise SystemExit(f"{PREFIX}NAMESPACE names another namespace, with the same claim")
        return found

    def pods_in(self, namespace: str, host: RunningHost) -> list[dict[str, Any]]:
        return asyncio.run(self._pods(host, namespace))

    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        return {
            each["metadata"]["uid"]
            for each in self.pods_in(self._namespace, host)
            if each["metadata"]["annotations"].get(KEY) == f"online/{deployment}" and _runs(each)
        }

    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        """Of each pod's one: no process of it is seen from here."""
        return self.instances(host, deployment)

    def workers(self, host: RunningHost) -> set[str]:
        return {
            each["metadata"]["uid"]
            for each in self.pods_in(self._namespace, host)
            if each["metadata"]["annotations"].get(KEY, "").startswith("workers/") and _runs(each)
        }

    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        wanted = "workers/" if doing == "work" else "online/"
        there = [
            each["metadata"]["name"]
            for each in self.pods_in(self._namespace, host)
            if each["metadata"]["annotations"].get(KEY, "").startswith(wanted)
        ]
        if not there:
            return None
        asyncio.run(self._delete_pod(rng.choice(sorted(there))))
        return "delete"

    def environments(self, host: RunningHost) -> int:
        return environments_of(host)

    def clear(self, host: RunningHost) -> None:
        if installation_of(host):
            asyncio.run(self._clear(host))
            until(lambda: not self.pods_in(self._namespace, host), "the pods have gone")

    # -- inside

    async def _pods(self, host: RunningHost, namespace: str) -> list[dict[str, Any]]:
        mine = installation_of(host)
        api = self._api()
        try:
            query = {"labelSelector": f"{INSTALLATION}={mine}"}
            return list((await api.list(PODS, namespace, query)).items) if mine else []
        finally:
            await api.close()

    async def _delete_pod(self, name: str) -> None:
        api = self._api()
        try:
            await api.delete(PODS, self._namespace, name, grace=1)
        finally:
            await api.close()

    async def _clear(self, host: RunningHost) -> None:
        api = self._api()
        try:
            query = {"labelSelector": f"{INSTALLATION}={installation_of(host)}"}
            found = await api.list(DEPLOYMENTS, self._namespace, query)
            names: Sequence[str] = [each["metadata"]["name"] for each in found.items]
            for name in names:
                await api.delete(DEPLOYMENTS, self._namespace, name)
        finally:
            await api.close()

    def _api(self) -> KubernetesApi:
        return KubernetesApi(cluster_access(self._config, None, {}))


def _runs(pod: Mapping[str, Any]) -> bool:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    is_going = bool(pod["metadata"].get("deletionTimestamp"))
    return not is_going and bool(states) and all("running" in each["state"] for each in states)


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("", 0))
        return int(asking.getsockname()[1])
