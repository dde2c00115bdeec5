from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.computes.compute_target import ClusterProperties, ComputeProperties, ScaleSettings
from domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from domain.ground.resource import Conditions, Wanted
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.ports import Create
from tests.kit.composed import SCOPE
from tests.kit.stages.asset_stage import AssetStage, opened

ANY = Conditions()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AssetStage]:
    async with opened(tmp_path) as stage:
        yield stage


def cluster(nodes: int = 4, vm_size: str = "Standard_DS3_v2") -> Wanted[ComputeProperties]:
    return Wanted[ComputeProperties](
        properties=ComputeProperties(
            compute_type="AmlCompute",
            properties=ClusterProperties(
                vm_size=vm_size, scale_settings=ScaleSettings(max_node_count=nodes)
            ),
        )
    )


@pytest.mark.parametrize(
    "reference",
    [
        "cluster",
        "azureml:Cluster",
        SCOPE.path("computes", "cluster"),
        f"azureml:{SCOPE.id}/computes/cluster",
    ],
)
async def test_a_compute_is_found_by_every_reference(stage: AssetStage, reference: str) -> None:
    _, new = await stage.computes.put("cluster", cluster(), "me", ANY)
    assert new
    found = await stage.computes.named(reference)
    assert (found.name, found.location, found.max_node_count) == ("cluster", "here", 4)


@pytest.mark.parametrize("reference", [None, "", "local", "azureml:Local"])
async def test_local_is_always_there(stage: AssetStage, reference: str | None) -> None:
    assert (await stage.computes.named(reference)).name == "local"


@pytest.mark.parametrize("reference", ["other", "a/b", SCOPE.path("computes", "other"), "x" * 300])
async def test_a_compute_that_is_not_there_is_not_found(stage: AssetStage, reference: str) -> None:
    with pytest.raises(NotFound):
        await stage.computes.named(reference)


@pytest.mark.parametrize("reference", [SCOPE.path("models", "m"), "/subscriptions/x"])
async def test_an_id_of_something_else_is_refused(stage: AssetStage, reference: str) -> None:
    with pytest.raises(Invalid, match="is not a compute"):
        await stage.computes.named(reference)


async def test_a_job_has_no_more_instances_than_its_compute_has_nodes(stage: AssetStage) -> None:
    await stage.computes.put("cluster", cluster(nodes=2), "me", ANY)
    await stage.computes.check_instance_count("cluster", 2, "instanceCount")
    with pytest.raises(Invalid, match="maxNodeCount is 2") as raised:
        await stage.computes.check_instance_count("cluster", 3, "instanceCount")
    assert raised.value.target == "instanceCount"


async def test_a_cluster_can_be_scaled_but_not_resized(stage: AssetStage) -> None:
    first, _ = await stage.computes.put("cluster", cluster(), "me", ANY)
    second, new = await stage.computes.put("CLUSTER", cluster(nodes=8), "you", ANY)
    assert not new
    assert second.resource.max_node_count == 8
    assert second.resource.name == "cluster"
    assert second.resource.created_by == "me"
    with pytest.raises(Conflict, match="keeps its size"):
        await stage.computes.put("cluster", cluster(vm_size="Standard_DS1_v2"), "me", ANY)
    with pytest.raises(PreconditionFailed):
        await stage.computes.put("cluster", cluster(), "me", Conditions(if_match=first.etag))


async def test_a_size_that_means_nothing_here_is_refused(stage: AssetStage) -> None:
    with pytest.raises(Invalid) as raised:
        await stage.computes.put("cluster", cluster(vm_size="Standard_Nothing"), "me", ANY)
    assert raised.value.target == "properties.properties.vmSize"


async def test_local_can_be_neither_changed_nor_deleted(stage: AssetStage) -> None:
    with pytest.raises(Conflict, match="built in"):
        await stage.computes.put("local", cluster(), "me", ANY)
    with pytest.raises(Conflict, match="built in"):
        await stage.computes.delete("LOCAL", ANY)


@pytest.mark.parametrize("reference", ["azureml:cluster", SCOPE.path("computes", "Cluster")])
async def test_a_compute_that_a_deployment_names_is_not_deleted(
    stage: AssetStage, reference: str
) -> None:
    await stage.computes.put("cluster", cluster(), "me", ANY)
    resource: dict[str, Any] = {"endpoint": "e", "name": "d", "properties": {"compute": reference}}
    body = {"kind": ONLINE_DEPLOYMENT, "resource": resource}
    await stage.store.transact("endpoints/e", [Create("deployment:d", body)])
    with pytest.raises(Conflict, match="e/d"):
        await stage.computes.delete("cluster", ANY)


async def test_a_compute_is_deleted_once(stage: AssetStage) -> None:
    await stage.computes.put("cluster", cluster(), "me", ANY)
    assert await stage.computes.delete("Cluster", ANY)
    assert not await stage.computes.delete("cluster", ANY)


@pytest.mark.parametrize("top", [1, 2, 3, 4, 100])
async def test_the_list_has_each_compute_once_and_local_last(stage: AssetStage, top: int) -> None:
    for name in ("b", "a", "c"):
        await stage.computes.put(name, cluster(), "me", ANY)
    names: list[str] = []
    continuation: str | None = None
    while True:
        page, continuation = await stage.computes.list(top, continuation)
        assert len(page) <= top
        names += [stored.resource.name for stored in page]
        if continuation is None:
            break
    assert names == ["a", "b", "c", "local"]
