"""Instance types of a cluster: what a pod asks for, what it is held to, and where it may be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from domain.errors import Invalid
from domain.ports import InstanceSize
from domain.provisioning.container_resources import quantity

DEFAULT: Final = "defaultinstancetype"
_KNOWN: Final = {"nodeSelector", "resources"}
_GIB: Final = 2**30


@dataclass(frozen=True)
class ClusterType:
    """`requests` and `limits` are quantities as Kubernetes writes them, by resource; what has
    neither cores nor memory in `limits` is held by `size` alone."""

    size: InstanceSize
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterTypes:
    """By name, in lower case; `default` is the name of one."""

    types: Mapping[str, ClusterType]
    default: str = DEFAULT

    def of(self, size: InstanceSize) -> ClusterType | None:
        return self.types.get(size.name.lower())


class TypesFault(Exception):
    """Says everything that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


AZURES: Final = ClusterTypes(
    {
        DEFAULT: ClusterType(
            InstanceSize(2, 2 * _GIB, name=DEFAULT),
            {"cpu": "100m", "memory": "2Gi"},
            {"cpu": "2", "memory": "2Gi"},
        )
    }
)
"""What Azure ML has where nobody has made any."""


def read_types(path: Path) -> ClusterTypes:
    """Of a YAML or JSON file as Azure ML's body of a Kubernetes compute has them:
    `instanceTypes`, each with `nodeSelector` and `resources`, and `defaultInstanceType`. Raises
    TypesFault."""
    try:
        said = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TypesFault([f"{path} cannot be read: {error}"]) from None
    if not isinstance(said, dict) or not isinstance(said.get("instanceTypes"), dict):
        raise TypesFault([f"{path} has no instanceTypes"])
    faults: list[str] = []
    types = dict(AZURES.types)
    for name, body in said["instanceTypes"].items():
        faults += [f"instanceTypes.{name}: {each}" for each in _faults(body)]
        if not faults:
            types[str(name).lower()] = _read(str(name), body)
    default = str(said.get("defaultInstanceType") or DEFAULT).lower()
    if not faults and default not in types:
        faults.append(f"defaultInstanceType: there is no '{default}' among instanceTypes")
    if faults:
        raise TypesFault(faults)
    return ClusterTypes(types, default)


def _faults(body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        yield "it is no object"
        return
    for name in sorted(set(body) - _KNOWN):
        yield f"{name}: no such field; there are nodeSelector and resources"
    selector, resources = body.get("nodeSelector") or {}, body.get("resources") or {}
    if not isinstance(selector, dict) or not all(isinstance(v, str) for v in selector.values()):
        yield "nodeSelector: labels with texts"
    if not isinstance(resources, dict):
        yield "resources: no object"
        return
    for part in ("requests", "limits"):
        for name, amount in (resources.get(part) or {}).items():
            try:
                quantity(str(amount), str(name))
            except Invalid as error:
                yield f"resources.{part}.{name}: {error.message}"
    for name in ("cpu", "memory"):
        if name not in (resources.get("limits") or {}):
            yield f"resources.limits.{name}: missing"


def _read(name: str, body: Mapping[str, Any]) -> ClusterType:
    resources = body.get("resources") or {}
    limits, requests = (
        {str(n): str(amount) for n, amount in (resources.get(part) or {}).items()}
        for part in ("limits", "requests")
    )
    memory = int(quantity(limits["memory"], "memory"))
    size = InstanceSize(quantity(limits["cpu"], "cpu"), memory, name=name.lower())
    return ClusterType(size, requests or limits, limits, dict(body.get("nodeSelector") or {}))
