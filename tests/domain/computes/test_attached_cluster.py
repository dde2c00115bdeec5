"""Namespaces of a cluster as computes: attached, named by endpoints and deployments, and what their
pods get."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.computes.compute_target import ComputeProperties
from domain.computes.container_resources import (
    ContainerResourceRequirements,
    ContainerResources,
)
from domain.errors import Conflict, Forbidden, Invalid
from domain.ground.resource import Wanted
from domain.ports import ClusterPlace, Principal, ServingWorkload
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    faults,
    online_deployment,
    opened,
)

KEY = "online/iris/blue"
_ASSETS = ("models", "codes", "environments")
TYPES: dict[str, Any] = {
    "small": {
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        }
    },
    "Gpu": {
        "nodeSelector": {"agentpool": "gpus"},
        "resources": {"limits": {"cpu": 4, "memory": "16Gi", "nvidia.com/gpu": 2}},
    },
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    async with opened(tmp_path) as stage:
        stage.compute.attachable = {"models", "team"}
        yield stage


def body(**inner: Any) -> Wanted[ComputeProperties]:
    said = {"namespace": "models", "instanceTypes": TYPES, "defaultInstanceType": "small", **inner}
    properties = {"computeType": "Kubernetes", "properties": said}
    return Wanted[ComputeProperties].model_validate({"properties": properties})


async def attach(stage: ProvisioningStage, **inner: Any) -> None:
    await stage.batch.computes.put("k8s", body(**inner), "me", ANY)


async def endpoint_there(stage: ProvisioningStage) -> None:
    await attach(stage)
    await stage.register_assets()
    await stage.put_endpoint(compute="azureml:k8s")
    await stage.settle()


async def runs(stage: ProvisioningStage, **changes: Any) -> ServingWorkload:
    await stage.put_deployment(endpoint_compute_type="Kubernetes", **changes)
    await stage.settle()
    found: ServingWorkload = stage.compute.running[KEY]
    return found


def asked(
    requests: dict[str, str] | None = None, limits: dict[str, str] | None = None
) -> ContainerResourceRequirements:
    return ContainerResourceRequirements(
        container_resource_requests=ContainerResources(**requests) if requests else None,
        container_resource_limits=ContainerResources(**limits) if limits else None,
    )


async def test_a_deployment_is_where_its_endpoint_s_compute_is_on_its_default_type(
    stage: ProvisioningStage,
) -> None:
    await endpoint_there(stage)
    size = (await runs(stage, instance_type=None)).program.size
    assert (size.cpu, size.memory, size.name) == (1, 2**30, "small")
    assert size.place == ClusterPlace(
        "models", {"cpu": "100m", "memory": "256Mi"}, {"cpu": "1", "memory": "1Gi"}, {}
    )


async def test_an_instance_type_says_machines_and_gpus_and_is_found_in_any_case(
    stage: ProvisioningStage,
) -> None:
    await endpoint_there(stage)
    size = (await runs(stage, instance_type="gpu")).program.size
    assert size.place is not None
    assert size.place.selector == {"agentpool": "gpus"}
    assert size.place.limits == {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "2"}
    assert size.place.requests == size.place.limits
    assert size.gpus == 2


async def test_resources_are_asked_for_within_the_instance_type(stage: ProvisioningStage) -> None:
    await endpoint_there(stage)
    wanted = asked({"cpu": "500m"}, {"cpu": "2", "memory": "8Gi", "gpu": "1"})
    size = (
        await runs(stage, instance_type="GPU", container_resource_requirements=wanted)
    ).program.size
    assert (size.cpu, size.memory, size.gpus) == (2, 8 * 2**30, 1)
    assert size.place is not None
    assert size.place.requests == {"cpu": "500m", "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert size.place.limits == {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}


async def test_every_fault_of_a_deployment_s_resources_is_told_at_once(
    stage: ProvisioningStage,
) -> None:
    await endpoint_there(stage)

    async def refused(**changes: Any) -> dict[str | None, str]:
        with pytest.raises(Invalid) as caught:
            await stage.put_deployment(endpoint_compute_type="Kubernetes", **changes)
        return faults(caught.value)

    at = "properties.containerResourceRequirements.containerResource"
    wanted = asked({"cpu": "3", "gpu": "1"}, {"cpu": "2", "memory": "2Gi", "gpu": "1"})
    told = await refused(instance_type="small", container_resource_requirements=wanted)
    assert told == {
        f"{at}Limits.cpu": "Instance type 'small' has 1 of cpu, less than 2.",
        f"{at}Limits.memory": "Instance type 'small' has 1Gi of memory, less than 2Gi.",
        f"{at}Limits.gpu": "Instance type 'small' has no GPU; of 'k8s' gpu have some.",
        f"{at}Requests.cpu": "3 are asked for, and 2 are the limit.",
    }
    wanted = asked({"memory": "lots"}, {"cpu": "0", "gpu": "0.5"})
    told = await refused(instance_type="gpu", container_resource_requirements=wanted)
    assert set(told) == {f"{at}Limits.cpu", f"{at}Limits.gpu", f"{at}Requests.memory"}
    told = await refused(instance_type="Standard_DS3_v2")
    assert told == {
        "properties.instanceType": "Compute 'k8s' has no instance type 'Standard_DS3_v2'; it has "
        "defaultinstancetype, gpu, small."
    }
    with pytest.raises(Invalid) as caught:
        await stage.put_deployment(instance_type="small")
    assert "type Kubernetes" in faults(caught.value)["properties.endpointComputeType"]


async def test_who_may_not_read_the_compute_deploys_nothing_on_it(
    stage: ProvisioningStage,
) -> None:
    await endpoint_there(stage)
    roles = {"contributor/onlineEndpoints/iris", *(f"reader/{each}" for each in _ASSETS)}
    stranger, wanted = (
        Principal("stranger", frozenset(roles)),
        online_deployment(endpoint_compute_type="Kubernetes", instance_type="small"),
    )
    put = stage.online.provisioning.put_deployment
    with pytest.raises(Forbidden) as caught:
        await put("iris", "blue", wanted, stranger, ANY)
    assert [each.target for each in caught.value.details] == ["properties.compute"]


async def test_an_endpoint_names_a_compute_that_is_attached_and_stays_there(
    stage: ProvisioningStage,
) -> None:
    at = "properties.compute"
    with pytest.raises(Invalid) as caught:
        await stage.put_endpoint(compute="azureml:k8s")
    assert "Attach it first" in faults(caught.value)[at]
    await endpoint_there(stage)
    await runs(stage, instance_type=None)
    with pytest.raises(Invalid) as caught:
        await stage.put_endpoint(compute=None)
    assert "stays on its compute (azureml:k8s)" in faults(caught.value)[at]
    with pytest.raises(Conflict, match="iris"):
        await stage.batch.computes.delete("k8s", ANY)
    await stage.online.provisioning.delete_endpoint("iris", CALLER, ANY)
    await stage.settle()
    assert await stage.batch.computes.delete("k8s", ANY)


async def test_what_is_attached_keeps_its_namespace(stage: ProvisioningStage) -> None:
    await attach(stage)
    with pytest.raises(Conflict, match="is namespace 'models', and stays that"):
        await attach(stage, namespace="team")
    await attach(stage, instanceTypes={}, defaultInstanceType=None)


async def test_a_namespace_that_the_cluster_does_not_have_is_refused_with_every_other_fault(
    stage: ProvisioningStage,
) -> None:
    wrong = {"small": {"resources": {"limits": {"cpu": 1}}}, "SMALL": TYPES["small"]}
    with pytest.raises(Invalid) as caught:
        await attach(stage, namespace="nowhere", instanceTypes=wrong, defaultInstanceType="huge")
    at = "properties.properties"
    assert set(faults(caught.value)) == {
        f"{at}.namespace",
        f"{at}.instanceTypes.small.resources.limits.memory",
        f"{at}.instanceTypes",
        f"{at}.defaultInstanceType",
    }
