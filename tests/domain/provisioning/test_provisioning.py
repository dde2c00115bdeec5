"""How wishes come true whatever is lost, doubled, late or racing. The online kind stands for
both: they share this code."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from domain.assets import asset
from domain.errors import Conflict, Invalid, NotFound, PreconditionFailed, Unavailable
from domain.ground.messages import PROVISIONING_QUEUE
from domain.ground.operation import Operation, OperationKind, OperationStatus
from domain.ground.provisioning_state import TransitionRefused
from domain.ground.resource import Conditions
from domain.online.online_deployment import KIND as DEPLOYMENT_KIND
from domain.online.online_endpoint import KIND as ENDPOINT_KIND
from domain.ports import Create, Delete, Message, WorkloadState
from domain.provisioning.endpoint_saving import LEASE
from domain.provisioning.provisioning import MAX_DEPLOYMENTS
from domain.provisioning.reconciler import pause_before
from infra.rules.queue_consumer import Received
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    faults,
    online_deployment,
    online_endpoint,
    opened,
)

KEY = "online/iris/blue"


async def delete_deployment(stage: ProvisioningStage, name: str = "blue") -> Operation:
    accepted = await stage.online.provisioning.delete_deployment("iris", name, CALLER, ANY)
    assert accepted is not None
    return accepted.operation


async def delete_endpoint(stage: ProvisioningStage) -> Operation:
    accepted = await stage.online.provisioning.delete_endpoint("iris", CALLER, ANY)
    assert accepted is not None
    return accepted.operation


# -- to the end -------------------------------------------------------------------------------


async def test_an_endpoint_is_created_to_the_end(stage: ProvisioningStage) -> None:
    accepted = await stage.online.provisioning.put_endpoint("iris", online_endpoint(), CALLER, ANY)
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


# -- while an operation runs ------------------------------------------------------------------


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


# -- failure ----------------------------------------------------------------------------------


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


# -- lost, doubled, late, stale ---------------------------------------------------------------


async def lose(stage: ProvisioningStage) -> None:
    """What a crash between save and send, or after a receive, leaves."""
    await stage.messages()


async def create_endpoint(stage: ProvisioningStage) -> Operation:
    return await stage.put_endpoint()


async def create_deployment(stage: ProvisioningStage) -> Operation:
    await stage.iris()
    return await stage.put_deployment()


async def update_deployment(stage: ProvisioningStage) -> Operation:
    await stage.iris("blue")
    return await stage.put_deployment(capacity=2)


async def remove_deployment(stage: ProvisioningStage) -> Operation:
    await stage.iris("blue")
    return await delete_deployment(stage)


async def remove_endpoint(stage: ProvisioningStage) -> Operation:
    await stage.iris("blue")
    return await delete_endpoint(stage)


MUTATIONS = [
    create_endpoint,
    create_deployment,
    update_deployment,
    remove_deployment,
    remove_endpoint,
]
Mutation = Callable[[ProvisioningStage], Awaitable[Operation]]


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_sweep_finishes_what_a_crash_left_unsent(
    stage: ProvisioningStage, mutation: Mutation
) -> None:
    operation = await mutation(stage)
    await lose(stage)
    assert await stage.sweep() == 0, "not before its lease is over"
    stage.clock.move(LEASE)
    assert await stage.sweep() == 1
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"
    stage.clock.move(10 * LEASE)
    assert await stage.sweep() == 0


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_doubled_messages_are_harmless(stage: ProvisioningStage, mutation: Mutation) -> None:
    operation = await mutation(stage)
    for message in await stage.messages():
        await stage.deliver(message)
        await stage.deliver(message)
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_messages_delivered_at_the_same_moment_are_harmless(
    stage: ProvisioningStage, mutation: Mutation
) -> None:
    operation = await mutation(stage)
    taken = await stage.messages()
    await asyncio.gather(*(stage.deliver(message) for message in taken * 3))
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"


async def test_a_late_message_of_an_older_change_does_nothing(stage: ProvisioningStage) -> None:
    await stage.iris()
    await stage.put_deployment()
    [late] = await stage.messages()
    await stage.deliver(late)
    await stage.put_deployment(capacity=2)
    await stage.settle()
    ensured = list(stage.compute.ensured)
    await stage.deliver(late)
    assert await stage.turn() == 0
    assert stage.compute.ensured == ensured
    assert stage.compute.running[KEY].instance_count == 2


async def test_a_late_message_for_what_is_gone_leaves_nothing_running(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.STARTING
    await stage.put_deployment()
    [message] = await stage.messages()

    async def removed_meanwhile() -> None:
        stage.compute.while_ensuring = None
        await delete_deployment(stage)
        await stage.settle()

    stage.compute.while_ensuring = removed_meanwhile
    await stage.deliver(message)
    assert KEY in stage.compute.running, "the look asked for what had just been removed"
    await stage.settle()
    assert KEY not in stage.compute.running


async def test_a_live_reconciliation_is_not_taken_over(stage: ProvisioningStage) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.BUILDING
    await stage.put_deployment()
    for _ in range(60):
        assert await stage.turn() == 1
        assert await stage.sweep() == 0


async def test_a_sweep_never_multiplies_chains(stage: ProvisioningStage) -> None:
    await stage.iris()
    stage.compute.state = WorkloadState.BUILDING
    await stage.put_deployment()
    held: list[Received] = []
    for _ in range(4):
        held += await stage.messages()
        stage.clock.move(2 * LEASE)
        assert await stage.sweep() == 1
    # The messages that were only late come after all.
    for message in held:
        await stage.deliver(message)
    assert await stage.turn() == 1
    assert await stage.turn() == 1


async def test_two_sweeps_at_one_moment_are_one(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    await lose(stage)
    stage.clock.move(2 * LEASE)
    due = list(await stage.store.due(stage.clock.unix()))
    results = await asyncio.gather(
        *(stage.online.reconciler.resume(document) for document in due * 2), return_exceptions=True
    )
    assert [type(result).__name__ for result in results].count("NoneType") == 1
    assert len(await stage.messages()) == 1


async def test_an_unknown_or_broken_document_does_not_hold_up_the_sweep(
    stage: ProvisioningStage,
) -> None:
    due = stage.clock.unix() - 100
    odd = [
        Create("a", {"kind": "nobody's"}, due_at=due),
        Create("b", {"kind": ENDPOINT_KIND, "resource": {}}, due_at=due),
    ]
    await stage.store.transact("odd", odd)
    operation = await stage.put_endpoint()
    await lose(stage)
    stage.clock.move(2 * LEASE)
    assert await stage.sweep() == 1
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"


def test_looks_come_further_apart_but_never_by_more_than_a_second() -> None:
    pauses = [pause_before(step) for step in range(1000)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 0.05
    assert pauses[-1] == 1.0


# -- races ------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditions", [ANY, Conditions(must_be_new=True)])
async def test_of_two_creations_one_wins_and_the_other_is_told(
    stage: ProvisioningStage, conditions: Conditions
) -> None:
    results = await asyncio.gather(
        *(
            stage.online.provisioning.put_endpoint(
                "iris", online_endpoint(description=d), CALLER, conditions
            )
            for d in "abc"
        ),
        return_exceptions=True,
    )
    won = [result for result in results if not isinstance(result, BaseException)]
    lost = [result for result in results if isinstance(result, BaseException)]
    assert len(won) == 1
    expected = PreconditionFailed if conditions.must_be_new else TransitionRefused
    assert [type(error) for error in lost] == [expected] * 2
    await stage.settle()
    stored = (await stage.online.documents.endpoint("iris")).resource
    assert stored.properties.description == won[0].resource.properties.description


@pytest.mark.parametrize("by_etag", [False, True])
async def test_of_two_updates_one_wins_and_the_other_is_told(
    stage: ProvisioningStage, by_etag: bool
) -> None:
    await stage.iris("blue")
    etag = (await stage.online.deployments.get("iris", "blue")).etag
    conditions = Conditions(if_match=etag) if by_etag else ANY
    results = await asyncio.gather(
        *(
            stage.online.provisioning.put_deployment(
                "iris", "blue", online_deployment(capacity=count), CALLER, conditions
            )
            for count in (2, 3)
        ),
        return_exceptions=True,
    )
    [lost] = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(lost, PreconditionFailed if by_etag else TransitionRefused)


async def test_deployments_put_at_the_same_moment_are_all_taken(stage: ProvisioningStage) -> None:
    await stage.iris()
    colours = ["blue", "green", "red", "grey", "pink"]
    operations = await asyncio.gather(*(stage.put_deployment(name) for name in colours))
    await stage.settle()
    assert [await stage.status(operation) for operation in operations] == ["Succeeded"] * 5


async def test_an_endpoint_deleted_while_a_deployment_is_put_leaves_neither(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    results = await asyncio.gather(
        stage.put_deployment(), delete_endpoint(stage), return_exceptions=True
    )
    assert not isinstance(results[1], BaseException), "a DELETE is not held up"
    await stage.settle()
    assert stage.compute.running == {}
    assert (await stage.store.query(DEPLOYMENT_KIND)).documents == []


async def test_a_stale_etag_stops_a_change_and_a_removal(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    stale = Conditions(if_match="stale")
    provisioning = stage.online.provisioning
    with pytest.raises(PreconditionFailed):
        await provisioning.put_endpoint("iris", online_endpoint(), CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.delete_endpoint("iris", CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.put_deployment("iris", "blue", online_deployment(), CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.delete_deployment("iris", "blue", CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.put_endpoint("other", online_endpoint(), CALLER, stale)


# -- restarts ---------------------------------------------------------------------------------


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
        await stage.online.provisioning.put_deployment("iris", "blue", wanted, CALLER, Conditions())
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


# -- what may be asked for --------------------------------------------------------------------

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
        await provisioning.put_deployment(name, "blue", online_deployment(), CALLER, ANY)
    assert await provisioning.delete_endpoint(name, CALLER, ANY) is None
    assert await provisioning.delete_deployment(name, name, CALLER, ANY) is None
    with pytest.raises(Invalid) as refused:
        await provisioning.put_endpoint(name, online_endpoint(), CALLER, ANY)
    assert "name" in faults(refused.value)
    await stage.put_endpoint()
    with pytest.raises(NotFound):
        await online.deployments.get("iris", name)
    with pytest.raises(Invalid) as refused:
        await provisioning.put_deployment("iris", name, online_deployment(), CALLER, ANY)
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
