"""Messages that are lost, doubled, late or stale, and requests that race: each wish is met once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import PreconditionFailed
from domain.ground.access import trusted
from domain.ground.operation import Operation
from domain.ground.provisioning_state import TransitionRefused
from domain.ground.resource import Conditions
from domain.online.online_deployment import KIND as DEPLOYMENT_KIND
from domain.online.online_endpoint import KIND as ENDPOINT_KIND
from domain.ports import Create, WorkloadState
from domain.provisioning.endpoint_saving import LEASE
from domain.provisioning.reconciler import pause_before
from infra.rules.queue_consumer import Received
from tests.domain.provisioning.iris import KEY, delete_deployment, delete_endpoint
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    online_deployment,
    online_endpoint,
)


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


@pytest.mark.parametrize("conditions", [ANY, Conditions(must_be_new=True)])
async def test_of_two_creations_one_wins_and_the_other_is_told(
    stage: ProvisioningStage, conditions: Conditions
) -> None:
    results = await asyncio.gather(
        *(
            stage.online.provisioning.put_endpoint(
                "iris", online_endpoint(description=d), trusted(CALLER), conditions
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
                "iris", "blue", online_deployment(capacity=count), trusted(CALLER), conditions
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
        await provisioning.put_endpoint("iris", online_endpoint(), trusted(CALLER), stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.delete_endpoint("iris", CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.put_deployment(
            "iris", "blue", online_deployment(), trusted(CALLER), stale
        )
    with pytest.raises(PreconditionFailed):
        await provisioning.delete_deployment("iris", "blue", CALLER, stale)
    with pytest.raises(PreconditionFailed):
        await provisioning.put_endpoint("other", online_endpoint(), trusted(CALLER), stale)
