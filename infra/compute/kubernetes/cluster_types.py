"""Instance types of a cluster that are an installation's own, from a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from domain.computes import cluster_instance_type
from domain.computes.cluster_instance_type import ClusterInstanceType, TypeName
from domain.computes.container_resources import KUBERNETES_DEFAULT
from domain.ports import InstanceSize
from domain.values import Value


class _File(Value):
    """As Azure ML's body of a Kubernetes compute has them."""

    instance_types: dict[TypeName, ClusterInstanceType]
    default_instance_type: str = KUBERNETES_DEFAULT


@dataclass(frozen=True)
class ClusterTypes:
    """By name, in lower case; `default` is the name of one."""

    types: Mapping[str, InstanceSize]
    default: str = KUBERNETES_DEFAULT


class TypesFault(Exception):
    """Says everything that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _sizes(types: Mapping[str, ClusterInstanceType]) -> Mapping[str, InstanceSize]:
    whole = {**cluster_instance_type.AZURES, **{name.lower(): t for name, t in types.items()}}
    return {name: each.size(name, None) for name, each in whole.items()}


AZURES: Final = ClusterTypes(_sizes({}))
"""What Azure ML has where nobody has made any."""


def read_types(path: Path) -> ClusterTypes:
    """Of a YAML or JSON file with `instanceTypes`, each with `nodeSelector` and `resources`, and
    `defaultInstanceType`. Raises TypesFault."""
    try:
        said = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TypesFault([f"{path} cannot be read: {error}"]) from None
    if not isinstance(said, dict) or not isinstance(said.get("instanceTypes"), dict):
        raise TypesFault([f"{path} has no instanceTypes"])
    try:
        file = _File.model_validate(said)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise TypesFault([f"{'.'.join(map(str, e['loc']))}: {_told(e)}" for e in found]) from None
    faults = [
        f"{each.target}: {each.message}"
        for name, kind in file.instance_types.items()
        for each in kind.faults(f"instanceTypes.{name}")
    ]
    default = file.default_instance_type.lower()
    if default not in {KUBERNETES_DEFAULT, *(name.lower() for name in file.instance_types)}:
        faults.append(f"defaultInstanceType: there is no '{default}' among instanceTypes")
    if faults:
        raise TypesFault(faults)
    return ClusterTypes(_sizes(file.instance_types), default)


def _told(error: Mapping[str, object]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
