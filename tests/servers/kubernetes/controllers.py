"""What brings a cluster closer to what its objects say: deployments, replica sets, slices of
endpoints, the placing of pods, and the removal of what has lost its owner."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.servers.kubernetes import defaults
from tests.servers.kubernetes.admission import Admission, amount_of
from tests.servers.kubernetes.kinds import BY_KIND, BY_PLURAL, Kind
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.store import Object, Store, matches, now

_HASH: Final = "pod-template-hash"
_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_OVER: Final = ("Succeeded", "Failed")


@dataclass
class Machine:
    """A node of the cluster."""

    name: str = "machine-0"
    cpu: float = 10**6
    memory: float = 10**15
    labels: dict[str, str] = field(default_factory=dict)
    extended: dict[str, float] = field(default_factory=dict)
    """What device plugins say it has, such as `nvidia.com/gpu`."""


class Controllers:
    """`machines` are what pods are placed on."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self.store = store
        self._admission = admission
        self.machines: list[Machine] = [Machine()]
        self._made = 0

    def step(self) -> None:
        """Once around."""
        for each in self.store.all("deployments"):
            self._deployment(each)
        for each in self.store.all("replicasets"):
            self._replica_set(each)
        for each in self.store.all("deployments"):
            self._status(each)
        for each in self.store.all("pods"):
            self._place(each)
        for each in self.store.all("services"):
            self._slice(each)
        self._collect()

    def delete(self, kind: Kind, body: Object, options: Mapping[str, Any]) -> None:
        """As somebody asks for it. A pod has its time; what belongs to it goes after it."""
        meta = body["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        if kind.plural != "pods":
            self.store.remove(kind, namespace, name)
            return
        grace = options.get("gracePeriodSeconds")
        usual = body["spec"].get("terminationGracePeriodSeconds", 30)
        grace = usual if grace is None else grace
        before = meta.get("deletionGracePeriodSeconds")
        if grace == 0 or not body["spec"].get("nodeName"):
            self.store.remove(kind, namespace, name)
            return
        if before is not None and before <= grace:
            return
        meta["deletionTimestamp"] = meta.get("deletionTimestamp") or now()
        meta["deletionGracePeriodSeconds"] = grace
        self.store.replace(kind, body)

    # -- deployments

    def _deployment(self, body: Object) -> None:
        desired, template = body["spec"]["replicas"], body["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        mine = [each for each in self.store.all("replicasets") if _is_owned(each, body)]
        newest = next((s for s in mine if s["metadata"]["labels"][_HASH] == digest), None)
        old = [each for each in mine if each is not newest]
        limits = (body["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        surge, fewer = (int(limits.get(name, 1)) for name in ("maxSurge", "maxUnavailable"))
        held = sum(each["spec"]["replicas"] for each in old)
        most = max(0, desired + surge - held) if held else desired
        if newest is None:
            self._make_set(body, template, digest, min(desired, most))
        elif newest["spec"]["replicas"] != desired:
            there = newest["spec"]["replicas"]
            wanted = desired if desired < there else max(there, min(desired, most))
            self._scale(newest, wanted)
        ready = sum(_is_ready(each) for s in mine for each in self._pods_of(s))
        spare = max(0, ready - max(0, desired - fewer))
        for each in old:
            pods = self._pods_of(each)
            sick = sum(not _is_ready(pod) for pod in pods)
            less = min(each["spec"]["replicas"], sick + spare)
            spare -= max(0, less - sick)
            if less:
                self._scale(each, each["spec"]["replicas"] - less)
            elif not each["spec"]["replicas"] and not pods:
                self.store.remove(BY_PLURAL["replicasets"], *_place(each))

    def _make_set(self, owner: Object, template: Object, digest: str, count: int) -> None:
        template = copy.deepcopy(template)
        labels = {**template["metadata"].get("labels", {}), _HASH: digest}
        template["metadata"]["labels"] = labels
        body = {
            "metadata": {
                "name": f"{owner['metadata']['name']}-{digest}",
                "namespace": owner["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [_reference(owner)],
            },
            "spec": {
                "replicas": count,
                "selector": {
                    "matchLabels": {**owner["spec"]["selector"]["matchLabels"], _HASH: digest}
                },
                "template": template,
            },
        }
        self.store.create(BY_PLURAL["replicasets"], body)

    def _scale(self, replica_set: Object, count: int) -> None:
        if replica_set["spec"]["replicas"] != count:
            replica_set["spec"]["replicas"] = count
            self.store.replace(BY_PLURAL["replicasets"], replica_set)

    def _status(self, body: Object) -> None:
        mine = [each for each in self.store.all("replicasets") if _is_owned(each, body)]
        pods = [pod for each in mine for pod in self._pods_of(each)]
        failures = [(each.get("status") or {}).get("failure") for each in mine]
        refused = next((each for each in failures if each), None)
        conditions = []
        if refused is not None:
            about = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            conditions.append({**about, "message": refused})
        status = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": sum(_is_ready(each) for each in pods),
            "conditions": conditions,
        }
        if body.get("status") != status:
            body["status"] = status
            self.store.replace(BY_PLURAL["deployments"], body)

    def _replica_set(self, body: Object) -> None:
        pods, wanted = self._pods_of(body), body["spec"]["replicas"]
        failure = None
        for _ in range(wanted - len(pods)):
            try:
                self._make_pod(body)
            except Refusal as refusal:
                failure = str(refusal)
                break
        for each in sorted(pods, key=_worth)[: max(0, len(pods) - wanted)]:
            self.delete(BY_PLURAL["pods"], each, {})
        if (body.get("status") or {}).get("failure") != failure:
            body["status"] = {"replicas": len(pods), "failure": failure}
            self.store.replace(BY_PLURAL["replicasets"], body)

    def _make_pod(self, owner: Object) -> None:
        """Raises Refusal."""
        template, meta = copy.deepcopy(owner["spec"]["template"]), owner["metadata"]
        self._made += 1
        tail = hashlib.sha256(f"{meta['uid']} {self._made}".encode()).hexdigest()[:5]
        pod = {
            "metadata": {
                **template["metadata"],
                "name": f"{meta['name']}-{tail}",
                "namespace": meta["namespace"],
                "ownerReferences": [_reference(owner)],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        kind = BY_PLURAL["pods"]
        defaults.fill(kind, pod)
        self._admission.admit(kind, pod, new=True)
        self.store.create(kind, pod)

    def _pods_of(self, owner: Object) -> list[Object]:
        return [
            each
            for each in self.store.all("pods", owner["metadata"]["namespace"])
            if _is_owned(each, owner)
            and not each["metadata"].get("deletionTimestamp")
            and (each.get("status") or {}).get("phase") not in _OVER
        ]

    # -- pods

    def _place(self, pod: Object) -> None:
        if pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return
        reasons: list[str] = []
        for machine in self.machines:
            lacks = self._lacking(machine, pod)
            if not lacks:
                pod["spec"]["nodeName"] = machine.name
                pod["status"] = {**pod["status"], "conditions": [_condition("PodScheduled", True)]}
                self.store.replace(BY_PLURAL["pods"], pod)
                return
            reasons.append(f"1 {lacks}")
        told = f"0/{len(self.machines)} nodes are available: {', '.join(reasons)}."
        about = {"reason": "Unschedulable", "message": told}
        condition = {**_condition("PodScheduled", False), **about}
        there = [
            {**each, "lastTransitionTime": ""} for each in pod["status"].get("conditions") or []
        ]
        if there != [{**condition, "lastTransitionTime": ""}]:
            pod["status"] = {**pod["status"], "conditions": [condition]}
            self.store.replace(BY_PLURAL["pods"], pod)
            tell(self.store, pod, "FailedScheduling", told)

    def _lacking(self, machine: Machine, pod: Object) -> str:
        chosen = pod["spec"].get("nodeSelector") or {}
        if any(machine.labels.get(name) != value for name, value in chosen.items()):
            return "node(s) didn't match Pod's node affinity/selector"
        there = [
            each
            for each in self.store.all("pods")
            if each["spec"].get("nodeName") == machine.name
            and (each.get("status") or {}).get("phase") not in _OVER
        ]
        extended = {
            name: machine.extended.get(name, 0.0)
            for each in pod["spec"]["containers"]
            for name in (each.get("resources") or {}).get("limits") or {}
            if "/" in name
        }
        for name, has in {"cpu": machine.cpu, "memory": machine.memory, **extended}.items():
            if _requested(name, [*there, pod]) > has:
                return f"Insufficient {name}"
        return ""

    # -- services

    def _slice(self, service: Object) -> None:
        meta, spec = service["metadata"], service.get("spec") or {}
        pods = [
            each
            for each in self.store.all("pods", meta["namespace"])
            if matches(each["metadata"].get("labels") or {}, {"matchLabels": spec["selector"]})
            and (each.get("status") or {}).get("podIP")
            and each["status"].get("phase") not in _OVER
        ]
        labels = {**(meta.get("labels") or {}), "kubernetes.io/service-name": meta["name"]}
        body: Object = {
            "metadata": {
                "name": f"{meta['name']}-slice",
                "namespace": meta["namespace"],
                "labels": labels,
                "ownerReferences": [_reference(service)],
            },
            "addressType": "IPv4",
            "ports": [
                {"name": p.get("name", ""), "port": p["targetPort"], "protocol": p["protocol"]}
                for p in spec.get("ports") or []
            ],
            "endpoints": [_endpoint(each) for each in pods],
        }
        kind = BY_PLURAL["endpointslices"]
        there = self.store.find(kind.plural, meta["namespace"], body["metadata"]["name"])
        if there is None:
            self.store.create(kind, body)
        elif there["endpoints"] != body["endpoints"]:
            self.store.replace(kind, {**there, **body})

    # -- what has lost its owner

    def _collect(self) -> None:
        uids = {each["metadata"]["uid"] for p in BY_PLURAL for each in self.store.all(p)}
        for plural, kind in BY_PLURAL.items():
            for each in self.store.all(plural):
                owners = each["metadata"].get("ownerReferences") or []
                if owners and not any(owner["uid"] in uids for owner in owners):
                    self.delete(kind, each, {})


def tell(store: Store, pod: Object, reason: str, message: str) -> None:
    """A warning, as `kubectl describe` shows it."""
    meta = pod["metadata"]
    about = {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
    }
    body = {
        "metadata": {"name": f"{meta['name']}.{store.version:x}", "namespace": meta["namespace"]},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "lastTimestamp": now(),
    }
    store.create(BY_KIND["Event"], body)


def _requested(name: str, pods: Sequence[Object]) -> float:
    return sum(
        amount_of(((each.get("resources") or {}).get("requests") or {}).get(name, 0))
        for pod in pods
        for each in pod["spec"]["containers"]
    )


def _reference(owner: Object) -> Object:
    meta = owner["metadata"]
    head = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return {**head, "name": meta["name"], "uid": meta["uid"], "controller": True}


def _is_owned(each: Object, owner: Object) -> bool:
    owners = each["metadata"].get("ownerReferences") or []
    return any(found["uid"] == owner["metadata"]["uid"] for found in owners)


def _place(body: Object) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _worth(pod: Object) -> tuple[object, ...]:
    """The first is the first to go."""
    meta, status = pod["metadata"], pod.get("status") or {}
    cost = int((meta.get("annotations") or {}).get(_COST, 0))
    placed, runs = bool(pod["spec"].get("nodeName")), status.get("phase") == "Running"
    return placed, runs, _is_ready(pod), cost, _newest_first(meta["creationTimestamp"])


def _newest_first(stamp: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in stamp)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _condition(kind: str, holds: bool) -> Object:
    return {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": now()}


def _endpoint(pod: Object) -> Object:
    meta, is_ready = pod["metadata"], _is_ready(pod)
    is_going = bool(meta.get("deletionTimestamp"))
    target = {
        "kind": "Pod",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    told = {"ready": is_ready and not is_going, "serving": is_ready, "terminating": is_going}
    return {"addresses": [pod["status"]["podIP"]], "conditions": told, "targetRef": target}
