"""How wishes come true whatever is lost, doubled, late or racing. The online kind stands for
both: they share this code."""

import pytest

from domain.errors import Conflict, Invalid, NotFound, Unavailable
from domain.ground.access import trusted
from domain.ground.messages import PROVISIONING_QUEUE
from domain.ground.operation import OperationKind
from domain.ground.provisioning_state import TransitionRefused
from domain.online.online_deployment import KIND as DEPLOYMENT_KIND
from domain.ports import Message, WorkloadState
from domain.provisioning.endpoint_saving import LEASE
from domain.provisioning.provisioning import MAX_DEPLOYMENTS
from tests.domain.provisioning.iris import KEY, delete_deployment, delete_endpoint
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    faults,
    online_deployment,
    online_endpoint,
)


async def test_an_endpoint_is_created_to_the_end(stage: ProvisioningStage) -> None:
    accepted = await stage.online.provisioning.put_endpoint(
        "iris", online_endpoint(), trusted(CALLER), ANY
    )
    assert accepted.new
    assert accepted.resource.provisioning_state == "Creating"
    assert await stage.status(accepted.operation) == "InProgress"
    await stage.settle()
    assert await stage.status(accepted.operation) == "Succeeded"
    stored = await stage.online.documents.endpoint("iris")
    assert stored.resource.provisioning_state == "Succeeded"
    assert stored.resource.created_by == CALLER


async def test_a_deployment_is_created_to_the_end_through_building_and_starting(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.BUILDING
    operation = await stage.put_deployment()
    for state in (WorkloadState.BUILDING, WorkloadState.STARTING):
        stage.compute.state = state
        assert await stage.turn() == 1
        assert await stage.deployment_state() == "Creating"
    stage.compute.state = WorkloadState.READY
    await stage.settle()
    assert await stage.deployment_state() == "Succeeded"
    assert await stage.status(operation) == "Succeeded"
    assert stage.compute.ensured == [KEY], "later looks only observe"
    assert (await stage.store.due(stage.clock.unix() + 1e6)) == []


async def test_an_update_runs_under_the_same_key_with_another_revision(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue")
    before = stage.compute.running[KEY].revision
    operation = await stage.put_deployment(environment_variables={"A": "1"})
    assert operation.kind is OperationKind.UPDATE
    assert await stage.deployment_state() == "Updating"
    await stage.settle()
    assert await stage.deployment_state() == "Succeeded"
    assert stage.compute.running[KEY].revision != before
    assert stage.compute.running[KEY].program.environment_variables == {"A": "1"}


async def test_a_change_of_the_instance_count_alone_is_scaling(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    before = stage.compute.running[KEY].revision
    await stage.put_deployment(capacity=3)
    assert await stage.deployment_state() == "Scaling"
    await stage.settle()
    running = stage.compute.running[KEY]
    assert (running.instance_count, running.revision) == (3, before)


async def test_a_change_of_words_alone_leaves_the_revision(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    before = stage.compute.running[KEY].revision
    await stage.put_deployment(description="words", properties={"a": "b"}, tags={"c": "d"})
    await stage.settle()
    assert stage.compute.running[KEY].revision == before


async def test_a_deployment_is_deleted_to_the_end(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    stage.compute.lets_go = False
    operation = await delete_deployment(stage)
    await stage.turn()
    assert await stage.deployment_state() == "Deleting"
    stage.compute.lets_go = True
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"
    with pytest.raises(NotFound, match="Deployment 'blue'"):
        await stage.online.deployments.get("iris", "blue")
    assert KEY not in stage.compute.running
    assert await stage.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY) is None


async def test_deleting_an_endpoint_takes_its_deployments(stage: ProvisioningStage) -> None:
    await stage.iris("blue", "green")
    await stage.put_endpoint(traffic={"blue": 100})
    await stage.settle()
    operation = await delete_endpoint(stage)
    assert await stage.deployment_state("blue") == "Deleting"
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"
    assert stage.compute.running == {}
    with pytest.raises(NotFound, match="'iris'"):
        await stage.online.documents.endpoint("iris")
    with pytest.raises(NotFound, match="'iris'"):
        await stage.online.deployments.get("iris", "green")
    assert (await stage.store.query(DEPLOYMENT_KIND)).documents == []
    assert await stage.online.provisioning.delete_endpoint("iris", CALLER, ANY) is None


async def test_what_was_deleted_can_be_created_anew(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    await delete_endpoint(stage)
    await stage.settle()
    operation = await stage.put_endpoint()
    assert operation.kind is OperationKind.CREATE
    await stage.put_deployment()
    await stage.settle()
    assert await stage.deployment_state() == "Succeeded"


async def test_names_are_one_in_any_case_and_stay_as_first_spelled(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue")
    operation = await stage.put_deployment("BLUE", "IRIS", capacity=2)
    await stage.settle()
    stored = await stage.online.deployments.get("Iris", "Blue")
    assert (stored.resource.endpoint, stored.resource.name) == ("iris", "blue")
    assert operation.target.endswith("/onlineEndpoints/iris/deployments/blue")
    assert len((await stage.online.deployments.list("iris", 10))[0]) == 1


async def test_a_change_during_an_operation_is_a_conflict(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    with pytest.raises(TransitionRefused, match="Creating"):
        await stage.put_endpoint(description="again")
    await stage.register_assets()
    await stage.settle()
    await stage.put_deployment()
    with pytest.raises(TransitionRefused, match="Creating"):
        await stage.put_deployment(capacity=2)


async def test_delete_supersedes_the_operation_that_runs(stage: ProvisioningStage) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.STARTING
    creation = await stage.put_deployment()
    await stage.turn()
    removal = await delete_deployment(stage)
    assert await stage.status(creation) == "Canceled"
    await stage.settle()
    assert await stage.status(creation) == "Canceled"
    assert await stage.status(removal) == "Succeeded"
    assert KEY not in stage.compute.running


async def test_deleting_an_endpoint_supersedes_whatever_runs_in_it(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("green")
    update = await stage.put_endpoint(description="x")
    stage.compute.state = WorkloadState.STARTING
    creation = await stage.put_deployment("blue")
    await stage.deliver((await stage.messages())[-1])
    removal = await delete_endpoint(stage)
    assert await stage.status(update) == "Canceled"
    assert await stage.status(creation) == "Canceled"
    await stage.settle()
    assert await stage.status(removal) == "Succeeded"
    assert stage.compute.running == {}


async def test_deleting_twice_is_one_removal(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    stage.compute.lets_go = False
    assert await delete_deployment(stage) == await delete_deployment(stage)
    assert await delete_endpoint(stage) == await delete_endpoint(stage)
    within = await delete_deployment(stage)
    stage.compute.lets_go = True
    await stage.settle()
    assert await stage.status(within) == "Succeeded"


async def test_a_deployment_deleted_within_an_endpoint_s_removal_shares_its_operation(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue")
    removal = await delete_endpoint(stage)
    assert await delete_deployment(stage) == removal


async def test_nothing_is_put_into_an_endpoint_that_is_being_deleted(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue")
    await delete_endpoint(stage)
    with pytest.raises(Conflict, match="is being deleted"):
        await stage.put_deployment("green")
    with pytest.raises(Conflict, match="is being deleted"):
        await stage.put_deployment("blue")
    with pytest.raises(Conflict, match="is being deleted"):
        await stage.put_endpoint()


HOSTILE = ["a/b", "..", "a#b?c", "x" * 300, "\x00", "ünïcode", "", "a\\b", "%2e", "\ud800"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_that_can_be_none_is_not_found_and_cannot_be_made(
    stage: ProvisioningStage, name: str
) -> None:
    online, provisioning = stage.online, stage.online.provisioning
    for missing in (
        online.documents.endpoint(name),
        online.deployments.get(name, "blue"),
        online.keys.keys(name),
    ):
        with pytest.raises(NotFound):
            await missing
    with pytest.raises(NotFound):
        await online.deployments.list(name, 10)
    with pytest.raises(NotFound):
        await provisioning.put_deployment(name, "blue", online_deployment(), trusted(CALLER), ANY)
    assert await provisioning.delete_endpoint(name, CALLER, ANY) is None
    assert await provisioning.delete_deployment(name, name, CALLER, ANY) is None
    with pytest.raises(Invalid) as refused:
        await provisioning.put_endpoint(name, online_endpoint(), trusted(CALLER), ANY)
    assert "name" in faults(refused.value)
    await stage.put_endpoint()
    with pytest.raises(NotFound):
        await online.deployments.get("iris", name)
    with pytest.raises(Invalid) as refused:
        await provisioning.put_deployment("iris", name, online_deployment(), trusted(CALLER), ANY)
    assert {"name", "properties.codeConfiguration.codeId"} <= set(faults(refused.value))


async def test_a_deployment_needs_its_endpoint(stage: ProvisioningStage) -> None:
    with pytest.raises(NotFound, match="Create it first"):
        await stage.put_deployment()


async def test_an_endpoint_holds_twenty_deployments(stage: ProvisioningStage) -> None:
    await stage.iris()
    for i in range(MAX_DEPLOYMENTS):
        await stage.put_deployment(f"d-{i}")
    with pytest.raises(Conflict, match="20 is the limit") as refused:
        await stage.put_deployment("d-20")
    assert refused.value.code == "QuotaExceeded"
    await stage.settle()
    await stage.put_deployment("d-1", capacity=2)
    operation = await delete_endpoint(stage)
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"


async def test_lists_come_in_pages(stage: ProvisioningStage) -> None:
    for name in ("ccc", "aaa", "bbb"):
        await stage.put_endpoint(name)
    first, continuation = await stage.online.documents.endpoints(2, None)
    rest, end = await stage.online.documents.endpoints(2, continuation)
    assert [s.resource.name for s in [*first, *rest]] == ["aaa", "bbb", "ccc"]
    assert end is None
    with pytest.raises(Invalid):
        await stage.online.documents.endpoints(2, "not-a-continuation")


async def test_a_queue_that_is_away_leaves_the_wish_for_the_sweep(
    stage: ProvisioningStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(queue: str, *messages: Message) -> None:
        assert queue == PROVISIONING_QUEUE
        raise Unavailable("The queue is away.")

    with monkeypatch.context() as patched:
        patched.setattr(stage.queue, "send", send)
        with pytest.raises(Unavailable):
            await stage.put_endpoint()
    stage.clock.move(LEASE)
    assert await stage.sweep() == 1
    await stage.settle()
    assert (
        await stage.online.documents.endpoint("iris")
    ).resource.provisioning_state == "Succeeded"
