"""What fails, says why and goes on from there; what a restart finds."""

from pathlib import Path

import pytest

from domain.assets import asset
from domain.errors import Unavailable
from domain.ground.access import trusted
from domain.ground.operation import OperationStatus
from domain.ground.resource import Conditions
from domain.ports import Delete, WorkloadState
from tests.domain.provisioning.iris import KEY, delete_deployment
from tests.kit.stages.provisioning_stage import (
    CALLER,
    ProvisioningStage,
    online_deployment,
    opened,
)


async def test_a_compute_that_fails_gives_code_and_reason_and_a_put_revives(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.FAILED
    stage.compute.code, stage.compute.reason = "UserScriptImportError", "No module named 'x'"
    operation = await stage.put_deployment()
    await stage.settle()
    ended = await stage.application.operations.get(operation.id)
    assert ended.status is OperationStatus.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.message) == (
        "UserScriptImportError",
        "No module named 'x'",
    )
    failed = (await stage.online.deployments.get("iris", "blue")).resource
    assert failed.provisioning_state == "Failed"
    assert failed.error == ended.error

    stage.compute.state = WorkloadState.READY
    revival = await stage.put_deployment()
    await stage.settle()
    assert await stage.status(revival) == "Succeeded"
    revived = (await stage.online.deployments.get("iris", "blue")).resource
    assert (revived.provisioning_state, revived.error) == ("Succeeded", None)


async def test_a_failed_deployment_can_be_deleted(stage: ProvisioningStage) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.FAILED
    await stage.put_deployment()
    await stage.settle()
    operation = await delete_deployment(stage)
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"


async def test_a_deployment_that_dies_for_good_later_says_so(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    stage.compute.state = WorkloadState.FAILED
    stage.compute.code, stage.compute.reason = "ResourceNotReady", "crashed 10 times"
    before = len(stage.compute.ensured)
    await stage.online.restorer.restore()
    await stage.settle()
    dead = (await stage.online.deployments.get("iris", "blue")).resource
    assert dead.provisioning_state == "Failed"
    assert dead.error is not None
    assert dead.error.message == "crashed 10 times"
    assert len(stage.compute.ensured) == before, "to look is not to revive"


async def test_an_asset_that_is_gone_fails_the_deployment(stage: ProvisioningStage) -> None:
    await stage.iris()
    operation = await stage.put_deployment()
    [code] = (await stage.store.query(asset.CODES.version_kind)).documents
    await stage.store.transact(code.partition, [Delete(code.id)])
    await stage.settle()
    ended = await stage.application.operations.get(operation.id)
    assert ended.status is OperationStatus.FAILED
    assert ended.error is not None
    assert "not found" in ended.error.message


async def test_a_fault_that_may_pass_is_the_queue_s_to_repeat(stage: ProvisioningStage) -> None:
    await stage.iris()

    async def away() -> None:
        raise Unavailable("The compute is away.")

    operation = await stage.put_deployment()
    [message] = await stage.messages()
    stage.compute.while_ensuring = away
    with pytest.raises(Unavailable):
        await stage.deliver(message)
    stage.compute.while_ensuring = None
    await stage.deliver(message)
    assert await stage.status(operation) == "Succeeded"


async def test_a_restart_sets_going_what_ran_and_leaves_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as stage:
        await stage.iris("blue", "green")
        stage.compute.told["online/iris/green"] = WorkloadState.FAILED
        await stage.online.restorer.restore()
        await stage.settle()
        etag = (await stage.online.deployments.get("iris", "blue")).etag
    async with opened(tmp_path, stage.clock) as again:
        await again.online.restorer.restore()
        await again.settle()
        assert list(again.compute.running) == [KEY]
        restored = await again.online.deployments.get("iris", "blue")
        assert (restored.resource.provisioning_state, restored.etag) == ("Succeeded", etag)
        await again.online.restorer.restore()
        assert await again.turn() == 0, "what runs is left as it is"


async def test_what_served_before_a_failed_update_serves_after_a_restart_too(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as stage:
        await stage.iris("blue")
        proven = stage.compute.running[KEY]
        stage.compute.told[KEY] = WorkloadState.FAILED
        wanted = online_deployment(environment_variables={"NEW": "yes"})
        await stage.online.provisioning.put_deployment(
            "iris", "blue", wanted, trusted(CALLER), Conditions()
        )
        await stage.settle()
        assert await stage.deployment_state() == "Failed"
        assert stage.compute.running[KEY] != proven
    async with opened(tmp_path, stage.clock) as again:
        await again.online.restorer.restore()
        await again.settle()
        assert again.compute.running[KEY] == proven
        assert await again.deployment_state() == "Failed", "the wish has failed all the same"
        await again.online.restorer.restore()
        await again.settle()
        assert again.compute.ensured == [KEY], "what runs is left as it is"


async def test_a_restart_goes_on_with_an_operation_on_one_chain(tmp_path: Path) -> None:
    async with opened(tmp_path) as stage:
        await stage.iris()
        stage.compute.state = WorkloadState.BUILDING
        operation = await stage.put_deployment()
        await stage.turn()
    async with opened(tmp_path, stage.clock) as again:
        again.compute.state = WorkloadState.BUILDING
        await again.online.restorer.restore()
        await again.online.restorer.restore()
        assert await again.turn() == 1
        assert list(again.compute.running) == [KEY], "the compute has been told anew"
        again.compute.state = WorkloadState.READY
        await again.settle()
        assert await again.status(operation) == "Succeeded"


async def test_what_is_slow_to_come_back_is_waited_for_and_then_settles(tmp_path: Path) -> None:
    async with opened(tmp_path) as stage:
        await stage.iris("blue")
    async with opened(tmp_path, stage.clock) as again:
        again.compute.state = WorkloadState.STARTING
        await again.online.restorer.restore()
        for _ in range(3):
            assert await again.turn() == 1
            await again.online.restorer.restore()
        assert await again.deployment_state() == "Succeeded"
        again.compute.state = WorkloadState.READY
        await again.settle()
        assert (await again.store.due(again.clock.unix() + 1e6)) == []
