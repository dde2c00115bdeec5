"""A way to each pod by the machine that it is on, where pods' own addresses lead nowhere."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from domain.errors import DomainError
from infra.compute.kubernetes.api.kubernetes_api import (
    PODS,
    SERVICES,
    ApiRefusal,
    KubernetesApi,
    Object,
)
from infra.compute.kubernetes.names import MANAGER, POD
from infra.compute.kubernetes.pods.pod_template import AGENT

_log: Final = logging.getLogger("ml_endpoints.kubernetes")


class PodDoors:
    """A Service of the type NodePort for each pod, which goes with it: a pod goes on being one that
    is asked by itself whether it is ready, and told to go by itself."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._ports: dict[str, int] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self.refusal: ApiRefusal | None = None
        """Why the last one could not be made."""

    def addresses(self, pods: Sequence[Object]) -> Mapping[str, str]:
        """Of pods by their names, `machine:port`; what has none gets one. Waits for nothing."""
        found = {}
        for pod in pods:
            meta, machine = pod["metadata"], (pod.get("status") or {}).get("hostIP")
            is_going = bool(meta.get("deletionTimestamp"))
            if not machine or (is_going and meta["uid"] not in self._ports):
                continue
            if meta["uid"] in self._ports:
                found[meta["name"]] = f"{machine}:{self._ports[meta['uid']]}"
            elif meta["uid"] not in self._opening:
                task = asyncio.create_task(self._open(pod), name=f"door of {meta['name']}")
                self._opening[meta["uid"]] = task
                task.add_done_callback(partial(self._opened, meta["uid"]))
        there = {pod["metadata"]["uid"] for pod in pods}
        for gone in set(self._ports) - there:
            del self._ports[gone]
        return found

    def _opened(self, uid: str, task: asyncio.Task[None]) -> None:
        self._opening.pop(uid, None)

    async def close(self) -> None:
        tasks = list(self._opening.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, pod: Object) -> None:
        meta = pod["metadata"]
        name = meta["name"]
        try:
            label: Object = {"metadata": {"labels": {POD: name}}}
            await self._api.merge(PODS, self._namespace, name, label)
            body = _service(pod, _port_of(pod))
            made = await self._api.apply(SERVICES, self._namespace, name, body, manager=MANAGER)
            self._ports[meta["uid"]] = int(made["spec"]["ports"][0]["nodePort"])
            self.refusal = None
        except ApiRefusal as refusal:
            if refusal.status != 404:  # else it has gone meanwhile
                _log.warning("Pod %s is not reached by its machine: %s", name, refusal.message)
                self.refusal = refusal
        except DomainError as error:
            _log.warning("Pod %s is not reached by its machine yet: %s", name, error)


def _port_of(pod: Object) -> int:
    agent = next(each for each in pod["spec"]["containers"] if each["name"] == AGENT)
    return int(agent["ports"][0]["containerPort"])


def _service(pod: Object, port: int) -> Object:
    """Only the pod's own machine answers, so that callers keep their addresses."""
    meta = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    ours = {name: value for name, value in meta["labels"].items() if "/" in name or "." in name}
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.name,
        "metadata": {"name": meta["name"], "labels": ours, "ownerReferences": [owner]},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "publishNotReadyAddresses": True,
            "selector": {POD: meta["name"]},
            "ports": [{"name": "node", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }
