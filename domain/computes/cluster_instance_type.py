"""Instance types of an attached cluster: what a pod asks for, what it is held to, and where it may
be, in the words of Azure ML's body."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from domain.computes.container_resources import (
    DEFAULT_RESOURCES,
    KUBERNETES_DEFAULT,
    quantity,
)
from domain.errors import Detail, Invalid
from domain.ports import ClusterPlace, InstanceSize
from domain.values import Value

NVIDIA: Final = "nvidia.com/gpu"
_PLAIN: Final = ("cpu", "memory", "ephemeral-storage")
_GPU: Final = "/gpu"


def _number_as_text(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _is_quantity(text: str) -> str:
    try:
        amount = quantity(text, "a resource")
    except Invalid as error:
        raise ValueError(error.message) from None
    if not amount:
        raise ValueError("more than nothing has to be asked for")
    return text


Quantity = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_is_quantity)]
Label = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$")
]
LabelName = Annotated[
    str, Field(max_length=317, pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
]
TypeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class TypeResources(Value):
    """Quantities as Kubernetes writes them, by resource: `cpu`, `memory`, and whatever the
    cluster's device plugins call theirs. What has no limit is held to what it requests."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}

    @property
    def held(self) -> dict[str, str]:
        return {**self.requests, **self.limits}


class ClusterInstanceType(Value):
    node_selector: dict[LabelName, Label] | None = None
    resources: TypeResources = TypeResources()

    def faults(self, at: str) -> Iterator[Detail]:
        """What no pod could be made of."""
        held, requests = self.resources.held, self.resources.requests
        for name in ("cpu", "memory"):
            if name not in held:
                told = f"A type says how much {name} its pods have."
                yield Detail("BadArgument", told, f"{at}.resources.limits.{name}")
        for name, amount in requests.items():
            if quantity(amount, name) > quantity(held[name], name):
                told = f"{amount} are asked for, and {held[name]} are the limit."
                yield Detail("BadArgument", told, f"{at}.resources.requests.{name}")
        for name, amount in held.items():
            if name in _PLAIN:
                continue
            if not quantity(amount, name).is_integer():
                told = f"{name} comes in whole numbers, not {amount}."
                yield Detail("BadArgument", told, f"{at}.resources.limits.{name}")
            if requests.get(name, amount) != amount:
                told = f"Of {name} as many are asked for as are the limit."
                yield Detail("BadArgument", told, f"{at}.resources.requests.{name}")

    def size(self, name: str, namespace: str | None) -> InstanceSize:
        """Of a type without faults."""
        held = self.resources.held
        return InstanceSize(
            quantity(held["cpu"], "cpu"),
            int(quantity(held["memory"], "memory")),
            name=name.lower(),
            place=ClusterPlace(
                namespace, self.resources.requests or held, held, self.node_selector or {}
            ),
        )


def _azures() -> ClusterInstanceType:
    limits, requests = (
        {"cpu": str(each.cpu), "memory": str(each.memory)}
        for each in (
            DEFAULT_RESOURCES.container_resource_limits,
            DEFAULT_RESOURCES.container_resource_requests,
        )
        if each is not None
    )
    return ClusterInstanceType(resources=TypeResources(requests=requests, limits=limits))


AZURES: Final[Mapping[str, ClusterInstanceType]] = {KUBERNETES_DEFAULT: _azures()}
"""What Azure ML has on each cluster, unless it is made anew."""


def gpus_of(resources: Mapping[str, str]) -> int:
    """Of whatever maker."""
    found = (amount for name, amount in resources.items() if name.endswith(_GPU))
    return int(sum(quantity(amount, "gpu") for amount in found))


def gpu_name(resources: Mapping[str, str]) -> str:
    """What a deployment's `gpu` is called among these."""
    return next((name for name in resources if name.endswith(_GPU)), NVIDIA)
