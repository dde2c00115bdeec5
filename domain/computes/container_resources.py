"""What a Kubernetes deployment asks for of cores and memory, as an instance type of here."""

import re
from collections.abc import Mapping
from typing import Final

from domain.errors import Invalid
from domain.ports import InstanceSize
from domain.values import Value

_TARGET: Final = "properties.containerResourceRequirements"
_QUANTITY: Final = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)(?P<unit>[a-zA-Z]{0,2})")
_UNITS: Final = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGT")
}


class ContainerResources(Value):
    """Quantities as Kubernetes writes them: `500m` of a core, `0.5Gi`."""

    cpu: str | None = None
    memory: str | None = None
    gpu: str | None = None


class ContainerResourceRequirements(Value):
    container_resource_limits: ContainerResources | None = None
    container_resource_requests: ContainerResources | None = None


KUBERNETES_DEFAULT: Final = "defaultinstancetype"
"""The instance type that Azure ML's extension makes on each Kubernetes cluster."""
DEFAULT_RESOURCES: Final = ContainerResourceRequirements(
    container_resource_limits=ContainerResources(cpu="2", memory="2Gi"),
    container_resource_requests=ContainerResources(cpu="100m", memory="2Gi"),
)
"""What it has."""


def type_for(asked: ContainerResourceRequirements, sizes: Mapping[str, InstanceSize]) -> str:
    """The smallest of `sizes` that has the limits, or the requests where they are more. Raises
    Invalid."""
    both = (asked.container_resource_limits, asked.container_resource_requests)
    given = [each for each in both if each is not None]
    gpus = max((quantity(each.gpu, "gpu") for each in given), default=0.0)
    if gpus and not any(size.gpus for size in sizes.values()):
        raise Invalid("There are no GPUs here.", target=_TARGET)
    cpu = max((quantity(each.cpu, "cpu") for each in given), default=0.0)
    memory = max((quantity(each.memory, "memory") for each in given), default=0.0)
    fitting = [
        (size.gpus, size.memory, size.cpu, name)
        for name, size in sizes.items()
        if not size.whole and size.cpu >= cpu and size.memory >= memory and size.gpus >= gpus
    ]
    if not fitting:
        raise Invalid(
            f"No instance type has {cpu:g} cores and {memory / 2**30:.1f} GiB"
            f"{f' and {gpus:g} GPUs' if gpus else ''}; there are "
            f"{', '.join(sizes)}.",
            target=_TARGET,
        )
    return min(fitting)[3]


def quantity(text: str | None, what: str) -> float:
    """0 for none. Raises Invalid."""
    if text is None:
        return 0.0
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found["unit"] not in _UNITS:
        raise Invalid(
            f"'{text[:40]}' is no quantity; {what} is written as 2, 500m or 1.5Gi.", target=_TARGET
        )
    return float(found["number"]) * _UNITS[found["unit"]]
