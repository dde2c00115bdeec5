"""What a server adds to objects, and what it will not have changed."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.servers.kubernetes.kinds import Kind

IMMUTABLE: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "deployments": (("spec", "selector"),),
    "secrets": (("type",),),
    "services": (("spec", "clusterIP"),),
    "rolebindings": (("roleRef",),),
}
_NODE_PORTS: Final = itertools.cycle(range(30_000, 32_768))
_NAME_LENGTHS: Final = {"services": 63, "namespaces": 63}


def fill(kind: Kind, body: dict[str, Any]) -> None:
    spec = body.get("spec") or {}
    if kind.plural in ("deployments", "replicasets"):
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        _fill_pod(spec["template"]["spec"])
    elif kind.plural == "pods":
        _fill_pod(spec)
    elif kind.plural == "services":
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
        spec.setdefault("clusterIP", "10.96.0.10")
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port["port"])
            if spec["type"] == "NodePort":
                port.setdefault("nodePort", next(_NODE_PORTS))
    elif kind.plural == "secrets":
        body.setdefault("type", "Opaque")


def _fill_pod(spec: dict[str, Any]) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
        for name in ("readinessProbe", "livenessProbe", "startupProbe"):
            if name in container:
                probe = container[name]
                for field, usual in _PROBE.items():
                    probe.setdefault(field, usual)


_PROBE: Final = {
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}


def wrong(kind: Kind, body: Mapping[str, Any]) -> Iterator[str]:
    """What no schema says."""
    meta = body.get("metadata") or {}
    name = str(meta.get("name", ""))
    if len(name) > _NAME_LENGTHS.get(kind.plural, 253):
        yield f"metadata.name: Invalid value: {name!r}: must be no more than 63 characters"
    for each, value in (meta.get("labels") or {}).items():
        if len(value) > 63:
            yield f"metadata.labels: Invalid value: {each}: must be no more than 63 bytes"
    if kind.plural == "deployments":
        template = (body.get("spec") or {}).get("template") or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        chosen = ((body.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        if template and any(labels.get(name) != value for name, value in chosen.items()):
            yield "spec.template.metadata.labels: Invalid value: `selector` does not match"
        if template:
            yield from _wrong_pod(template.get("spec") or {})
    if kind.plural == "pods":
        yield from _wrong_pod(body.get("spec") or {})


def _wrong_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    volumes = {each["name"] for each in spec.get("volumes") or []}
    if not spec.get("containers"):
        yield "spec.containers: Required value"
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        for each in container.get("volumeMounts") or []:
            if each["name"] not in volumes:
                yield f"volumeMounts[{each['name']}].name: Not found"
        resources = container.get("resources") or {}
        from tests.servers.kubernetes.admission import amount_of

        limits = resources.get("limits") or {}
        for name, amount in (resources.get("requests") or {}).items():
            if name in limits and amount_of(amount) > amount_of(limits[name]):
                yield f"resources.requests: Invalid value: {amount}: must be less than or equal to {name} limit"  # noqa: E501
