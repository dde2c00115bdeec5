"""What a group of nodes is in a cluster: the objects that are applied."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from infra.compute.ground.owners import payer_tags
from infra.compute.ground.routes.route_rules import METADATA
from infra.compute.kubernetes import names as labels
from infra.compute.kubernetes.api.kubernetes_api import (
    BUDGETS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
    Object,
)
from infra.compute.kubernetes.names import Names
from infra.compute.kubernetes.pods.pod_secrets import DOCKER_CONFIG, PULL, coded, secrets_of
from infra.compute.kubernetes.pods.pod_template import HOST_LABEL, Surroundings, pod_of, port_of
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup


@dataclass(frozen=True)
class Applied:
    """One object. Those that are `owned` go with the Deployment, whatever becomes of hosts."""

    kind: Kind
    name: str
    body: Object
    owned: bool = True


def beside(
    group: NodeGroup, image: ProgramImage, names: Names, around: Surroundings
) -> list[Applied]:
    """What there is to be before the first pod begins."""
    name, selected, port = names.of(group.name), names.selected(group.name), port_of(group)
    found = [
        Applied(SERVICE_ACCOUNTS, name, {"automountServiceAccountToken": False}),
        Applied(SECRETS, name, {"type": "Opaque", "data": secrets_of(group, image)}),
        Applied(SERVICES, name, {"spec": _service(selected, port)}),
        Applied(
            NETWORK_POLICIES,
            name,
            {"spec": _policy(selected, port, around, closed=group.program.closed)},
        ),
    ]
    if around.pull is not None:
        data = {DOCKER_CONFIG: coded(around.pull)}
        body = {"type": "kubernetes.io/dockerconfigjson", "data": data}
        found.append(Applied(SECRETS, f"{name}-{PULL}", body))
    if group.spec.get("mode") == "serve":
        budget = {
            "maxUnavailable": 1,
            "selector": {"matchLabels": dict(selected)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
        found.append(Applied(BUDGETS, name, {"spec": budget}))
    return [_headed(each, group, names) for each in found]


def deployment(
    group: NodeGroup, image: ProgramImage, names: Names, around: Surroundings, *, first: bool
) -> Applied:
    """How many pods it has is said elsewhere; it has none at `first`, until what they need is
    there."""
    selected = dict(names.selected(group.name))
    spec: Object = {
        "selector": {"matchLabels": selected},
        "revisionHistoryLimit": 1,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1},
        },
        "template": {
            "metadata": {
                "labels": {
                    **payer_tags(group.key),
                    **names.labels(group.name),
                    labels.ATTEMPT: str(group.attempt),
                },
                "annotations": {labels.KEY: group.key},
            },
            "spec": pod_of(group, image, names.of(group.name), around),
        },
    }
    if first:
        spec["replicas"] = 0
    made_of = {labels.IMAGE: json.dumps(vars(image)), labels.ATTEMPT: str(group.attempt)}
    body = {"metadata": {"annotations": made_of}, "spec": spec}
    return _headed(Applied(DEPLOYMENTS, names.of(group.name), body, owned=False), group, names)


def owned_by(owner: Object, applied: Applied) -> Object:
    meta = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    body = applied.body
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [reference]}}


def _headed(applied: Applied, group: NodeGroup, names: Names) -> Applied:
    kind, body = applied.kind, applied.body
    meta = {
        "name": applied.name,
        "labels": {**payer_tags(group.key), **names.labels(group.name)},
        "annotations": {labels.KEY: group.key, **body.get("metadata", {}).get("annotations", {})},
    }
    head = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    return Applied(kind, applied.name, {**body, **head}, applied.owned)


def _service(selected: Mapping[str, str], port: int) -> Object:
    """Without an address of its own: each pod is reached by itself, ready or not."""
    return {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": dict(selected),
        "ports": [{"name": "node", "port": port, "targetPort": port, "protocol": "TCP"}],
    }


def _policy(
    selected: Mapping[str, str], port: int, around: Surroundings, *, closed: bool
) -> Object:
    """Hosts reach the agent's port, and nobody else reaches anything. Pods reach no cloud metadata,
    nor, where the installation is closed, anybody but hosts and DNS; `closed` ones reach nobody."""
    if around.inside:
        hosts: list[Object] = [
            {"podSelector": {"matchLabels": dict(HOST_LABEL)}, "namespaceSelector": {}}
        ]
    else:
        hosts = [{"ipBlock": {"cidr": str(each)}} for each in around.callers]
    ports = [{"protocol": "TCP", "port": port}]
    ingress: Object = {"ports": ports, **({"from": hosts} if hosts else {})}
    dns: Object = {"ports": [{"protocol": each, "port": 53} for each in ("UDP", "TCP")]}
    ways = [{"to": hosts}] if around.closed and hosts else []
    if not around.closed:
        ways = [{"to": [_all_but_metadata(version) for version in (4, 6)]}]
    return {
        "podSelector": {"matchLabels": dict(selected)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [ingress],
        "egress": [] if closed else [dns, *ways],
    }


def _all_but_metadata(version: int) -> Object:
    kept = [str(each) for each in METADATA if each.version == version]
    return {"ipBlock": {"cidr": "0.0.0.0/0" if version == 4 else "::/0", "except": kept}}
