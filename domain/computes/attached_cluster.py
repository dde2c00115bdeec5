"""What is attached of a cluster: what its body may say, and what a deployment gets of it."""

from collections.abc import Iterator
from typing import Final

from domain.computes.cluster_instance_type import ClusterInstanceType, gpu_name, gpus_of
from domain.computes.compute_target import LOCAL, ComputeProperties, ComputeTarget
from domain.computes.container_resources import (
    ContainerResourceRequirements,
    ContainerResources,
    quantity,
)
from domain.errors import Detail, Invalid
from domain.ports import InstanceSize

_AT: Final = "properties.properties"
_RESOURCES: Final = "properties.containerResourceRequirements"
_LIMITS: Final = f"{_RESOURCES}.containerResourceLimits"
_REQUESTS: Final = f"{_RESOURCES}.containerResourceRequests"
_CODE: Final = "BadArgument"


def body_faults(asked: ComputeProperties) -> Iterator[Detail]:
    """As far as nobody has to be asked."""
    mine = asked.properties
    types = mine.instance_types or {}
    for name, each in types.items():
        yield from each.faults(f"{_AT}.instanceTypes.{name}")
    folded = [name.lower() for name in types]
    for name in sorted({name for name in folded if folded.count(name) > 1}):
        told = f"'{name}' is there twice: the case of its letters does not count."
        yield Detail(_CODE, told, f"{_AT}.instanceTypes")
    default = mine.default_instance_type
    if default is not None and default.lower() not in {*folded, "defaultinstancetype"}:
        told = (
            f"There is no '{default}' among instanceTypes ({', '.join(sorted(types)) or 'none'})."
        )
        yield Detail(_CODE, told, f"{_AT}.defaultInstanceType")


def type_on(compute: ComputeTarget, instance_type: str | None, at: str) -> str:
    """The name of the instance type that is meant. Raises Invalid, with `at`, for one that the
    compute does not have."""
    name = (instance_type or LOCAL).lower()
    name = compute.default_instance_type if name == LOCAL else name
    if name not in compute.instance_types:
        raise Invalid(
            f"Compute '{compute.name}' has no instance type '{instance_type}'; it has "
            f"{', '.join(sorted(compute.instance_types))}.",
            target=at,
        )
    return name


def size_on(
    compute: ComputeTarget, name: str, asked: ContainerResourceRequirements | None
) -> InstanceSize:
    """Of one of its instance types, with what a deployment asks for instead."""
    whole = compute.instance_types[name]
    return _but(whole, asked).size(name, compute.namespace)


def resource_faults(
    compute: ComputeTarget, name: str, asked: ContainerResourceRequirements | None
) -> list[Detail]:
    """Azure ML's rules: what a deployment asks for is within its instance type, GPUs are a
    limit, and what is asked for is something."""
    if asked is None:
        return []
    limits, requests = asked.container_resource_limits, asked.container_resource_requests
    unread = [*_unread(limits, _LIMITS), *_unread(requests, _REQUESTS)]
    if unread:
        return unread
    has, wanted = compute.instance_types[name].resources.held, _named(limits, name, compute)
    faults: list[Detail] = []
    for resource, amount in wanted.items():
        at = f"{_LIMITS}.{_field(resource)}"
        if resource not in has:
            told = f"Instance type '{name}' has no GPU; {_with_gpus(compute)}."
            faults.append(Detail(_CODE, told, at))
        elif quantity(amount, resource) > quantity(has[resource], resource):
            told = f"Instance type '{name}' has {has[resource]} of {resource}, less than {amount}."
            faults.append(Detail(_CODE, told, at))
    for resource, amount in _named(requests, name, compute).items():
        most = {**has, **wanted}.get(resource)
        at = f"{_REQUESTS}.{_field(resource)}"
        if _field(resource) == "gpu":
            if wanted.get(resource) != amount:
                told = "GPUs are asked for by their limit, and requests say the same or nothing."
                faults.append(Detail(_CODE, told, at))
        elif most is not None and quantity(amount, resource) > quantity(most, resource):
            told = f"{amount} are asked for, and {most} are the limit."
            faults.append(Detail(_CODE, told, at))
    return faults


def _but(
    whole: ClusterInstanceType, asked: ContainerResourceRequirements | None
) -> ClusterInstanceType:
    """What is not asked for is as the type has it; of what is limited anew no more is asked for
    than that."""
    if asked is None:
        return whole
    own = whole.resources
    limits = {**own.held, **_renamed(asked.container_resource_limits, own.held)}
    requests = own.requests or own.limits
    requests = {
        name: _least(amount, limits[name], name)
        for name, amount in {
            **requests,
            **_renamed(asked.container_resource_requests, own.held),
        }.items()
    }
    extended = {name: limits[name] for name in requests if "/" in name}
    return whole.but(resources=own.but(limits=limits, requests={**requests, **extended}))


def _least(amount: str, limit: str, name: str) -> str:
    return amount if quantity(amount, name) <= quantity(limit, name) else limit


def _named(asked: ContainerResources | None, name: str, compute: ComputeTarget) -> dict[str, str]:
    return _renamed(asked, compute.instance_types[name].resources.held)


def _renamed(asked: ContainerResources | None, has: dict[str, str]) -> dict[str, str]:
    """By resources of the cluster."""
    if asked is None:
        return {}
    said = {"cpu": asked.cpu, "memory": asked.memory, gpu_name(has): asked.gpu}
    return {name: each for name, each in said.items() if each is not None}


def _unread(asked: ContainerResources | None, at: str) -> Iterator[Detail]:
    for name in ("cpu", "memory", "gpu") if asked is not None else ():
        said = getattr(asked, name)
        if said is None:
            continue
        try:
            amount = quantity(said, name)
        except Invalid as error:
            yield Detail(error.code, error.message, f"{at}.{name}")
            continue
        if not amount:
            yield Detail(_CODE, "More than nothing has to be asked for.", f"{at}.{name}")
        elif name == "gpu" and not amount.is_integer():
            yield Detail(_CODE, f"GPUs come in whole numbers, not {said}.", f"{at}.{name}")


def _field(resource: str) -> str:
    return "gpu" if "/" in resource else resource


def _with_gpus(compute: ComputeTarget) -> str:
    found = [name for name, each in compute.instance_types.items() if gpus_of(each.resources.held)]
    return f"of '{compute.name}' {', '.join(sorted(found)) or 'none'} have some"
