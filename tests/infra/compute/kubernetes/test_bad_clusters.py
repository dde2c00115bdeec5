"""What a cluster may say no to, or do to what is ours: each is told as what it is, and nothing
stays behind."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Unavailable
from infra.compute.remote.fleet import NodeGroup, NodeState
from tests.kit.clusters.hollow_cluster import AROUND, HASTY, HollowYard, hollow_yard
from tests.kit.clusters.hollow_cluster import role as role_of
from tests.kit.waiting import eventually
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster
from tests.servers.kubernetes.store import Object


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[HollowYard]:
    """Whose fleet has no more rights than the Role that we ship gives."""
    with Cluster(tmp_path) as cluster:
        role_of(cluster)
        async with hollow_yard(cluster, tmp_path / "ours", patience=HASTY, token="host") as yard:
            yield yard


async def clears_up(yard: HollowYard, group: NodeGroup, before: set[str]) -> None:
    await yard.gone(group)
    await eventually(lambda: yard.everything() == before, "nothing is left", every=0.02)


async def test_the_role_that_is_shipped_is_enough_and_no_verb_of_it_is_too_much(
    yard: HollowYard,
) -> None:
    before = yard.everything()
    group = yard.group()
    await yard.applied(group, 2)
    await yard.applied(group, 1)
    [node] = [n for n in await yard.of(group) if n.state is NodeState.RUNNING]
    await yard.fleet.replace(node, "It was silent.")
    await yard.fleet.logs(group.name, tail=5)
    await yard.fleet.story(group.name, group.program, tail=5)
    await clears_up(yard, group, before)
    asked = {each for each in yard.cluster.server.requests if each[0] != "unknown"}
    given = {
        (verb, resource)
        for rule in yard.find("roles", "ml-endpoints-host")["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    assert asked <= given
    assert given - asked <= {("get", "pods/log"), ("create", "pods")} | {
        # an apply to what is not there needs this verb too on a real server
        (verb, resource)
        for verb, resource in given
        if verb == "create"
    }


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("patch", "deployments"),
        ("patch", "deployments/scale"),
        ("patch", "services"),
        ("patch", "secrets"),
        ("patch", "networkpolicies"),
        ("list", "pods"),
        ("list", "deployments"),
        ("watch", "endpointslices"),
    ],
)
async def test_a_verb_that_is_not_given_is_named(
    yard: HollowYard, verb: str, resource: str
) -> None:
    before = yard.everything()
    yard.cluster.access.revoked.add((verb, resource))
    group = yard.group()
    told = await yard.failed(group)
    assert f'cannot {verb} resource "{resource}"' in told
    assert "deploy/kubernetes/role/role.yaml" in told
    yard.cluster.access.revoked.clear()
    await clears_up(yard, group, before)


async def test_a_host_that_nobody_knows_is_told_so(yard: HollowYard, tmp_path: Path) -> None:
    async with hollow_yard(yard.cluster, tmp_path / "who", token="nobody") as stranger:
        assert "does not know who asks" in await stranger.failed(stranger.group())


async def test_a_namespace_that_is_not_there_is_named(yard: HollowYard, tmp_path: Path) -> None:
    elsewhere = replace(AROUND, namespace="nowhere")
    async with hollow_yard(yard.cluster, tmp_path / "lost", around=elsewhere) as lost:
        assert "has no namespace 'nowhere'" in await lost.failed(lost.group())


async def test_a_quota_leaves_those_that_run_and_is_told_with_its_numbers(
    yard: HollowYard,
) -> None:
    before = yard.everything()
    group = yard.group()
    await yard.applied(group, 1)
    quota: Object = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}
    yard.put("resourcequotas", quota)
    told = await yard.failed(group, 3)
    assert told.startswith("OutOfQuota: The namespace's quota has no room for it")
    assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in told
    assert [n.state for n in await yard.of(group)] == [NodeState.RUNNING]
    await yard.applied(group, 1)
    await clears_up(yard, group, before | {"resourcequotas/small"})


async def test_a_webhook_that_refuses_an_object_is_quoted(yard: HollowYard) -> None:
    before = yard.everything()
    yard.cluster.server.admission.webhooks.append(
        lambda kind, body: "no pods on Mondays" if kind.plural == "pods" else None
    )
    group = yard.group()
    told = await yard.failed(group)
    assert 'admission webhook "policy.tests.example" denied the request: no pods on Mondays' in told
    await clears_up(yard, group, before)


async def test_pods_pass_the_restricted_standard(yard: HollowYard, tmp_path: Path) -> None:
    yard.cluster.call(
        lambda: yard.cluster.namespace(
            "strict", **{"pod-security.kubernetes.io/enforce": "restricted"}
        )
    )
    strict = replace(AROUND, namespace="strict")
    async with hollow_yard(yard.cluster, tmp_path / "strict", around=strict) as held:
        group = held.group()
        assert (await held.applied(group, 1)).failure is None
        await held.gone(group)


async def test_a_field_of_ours_that_was_changed_by_hand_comes_back_and_others_stay(
    yard: HollowYard,
) -> None:
    group = yard.group()
    await yard.applied(group, 1)
    await yard.applied(group, 1)
    name = yard.name(group)

    def meddle() -> None:
        body = yard.cluster.store.get(yard.kind("deployments"), NAMESPACE, name)
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "theirs"
        body["metadata"].setdefault("annotations", {})["theirs"] = "kept"
        yard.edit("deployments", body)

    yard.cluster.call(meddle)

    async def mended() -> bool:
        await yard.fleet.nodes()  # as hosts look, whether anything is asked for or not
        body = yard.find("deployments", name)
        [container] = body["spec"]["template"]["spec"]["containers"]
        return bool(container["image"] != "theirs")

    await eventually(mended, "ours is back", every=0.02)
    assert yard.find("deployments", name)["metadata"]["annotations"]["theirs"] == "kept"
    await yard.gone(group)


async def test_a_pod_that_was_evicted_gives_its_number_to_the_next_and_is_cleared_away(
    yard: HollowYard,
) -> None:
    group = yard.group()
    await yard.applied(group, 1)
    [node] = await yard.of(group)
    said = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    yard.change("pods", node.id, lambda body: body["status"].update(said))

    async def another() -> bool:
        there = await yard.of(group)
        return [(n.number, n.state) for n in there] == [(0, NodeState.RUNNING)] and (
            there[0].id != node.id
        )

    await eventually(another, "another pod in its place", every=0.02)
    await yard.gone(group)


async def test_a_pod_that_was_deleted_by_hand_is_another_life(yard: HollowYard) -> None:
    group = yard.group()
    await yard.applied(group, 1)
    [node] = await yard.of(group)
    yard.cluster.call(lambda: yard.cluster.store.remove(yard.kind("pods"), NAMESPACE, node.id))

    async def another() -> bool:
        there = await yard.of(group)
        return [n.state for n in there] == [NodeState.RUNNING] and there[0].id != node.id

    await eventually(another, "another pod", every=0.02)
    await yard.gone(group)


async def test_an_image_that_nobody_has_is_named(yard: HollowYard) -> None:
    group = yard.group()
    yard.cluster.kubelet.starts = False  # type: ignore[union-attr]
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}}
    told = await waits(yard, group, {"containerStatuses": [status(state)]})
    assert told.startswith("ImagePullLoopBackOff: The image registry.example/")
    assert told.endswith("manifest unknown")
    await yard.gone(group)


async def test_a_pod_that_no_machine_has_room_for_says_what_is_short(yard: HollowYard) -> None:
    [machine] = yard.cluster.controllers.machines
    machine.memory = 1.0
    group = yard.group()
    told = await yard.failed(group)
    assert told.startswith("PodUnschedulable: No node of the cluster has room for it")
    assert "Insufficient memory" in told
    assert "FailedScheduling" in await yard.fleet.story(group.name, group.program, tail=50)
    await yard.gone(group)


async def test_nodes_of_batch_jobs_without_room_are_told_so_that_fewer_will_do(
    yard: HollowYard,
) -> None:
    [machine] = yard.cluster.controllers.machines
    machine.memory = 1.0
    group = replace(yard.group("work"), key="workers/local")
    told = await yard.failed(group)
    assert told.startswith("OutOfQuota: No node of the cluster has room for it")
    await yard.gone(group)


async def test_containers_that_end_again_and_again_are_given_up_with_their_last_words(
    yard: HollowYard,
) -> None:
    group = yard.group()
    yard.cluster.kubelet.starts = False  # type: ignore[union-attr]
    over = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such thing"}}
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = {**status(state), "lastState": over, "restartCount": 7}
    told = await waits(yard, group, {"containerStatuses": [found]})
    assert told.startswith("KubernetesCrashLoopBackOff: Its container ended with exit status 1")
    assert "no such thing" in told
    assert "8 times in a row" in told
    await yard.gone(group)


@pytest.mark.parametrize("year", [2001, 2090])
async def test_a_cluster_whose_clock_is_wrong_is_believed_about_how_long_something_ran_alone(
    yard: HollowYard, year: int
) -> None:
    group = yard.group()
    yard.cluster.kubelet.starts = False  # type: ignore[union-attr]
    lived = {"startedAt": f"{year}-01-01T00:00:00Z", "finishedAt": f"{year}-01-01T00:00:01Z"}
    over = {"terminated": {"exitCode": 1, "reason": "Error", **lived}}
    found = {**status({"waiting": {"reason": "CrashLoopBackOff"}}), "lastState": over}
    told = await waits(yard, group, {"containerStatuses": [{**found, "restartCount": 7}]})
    assert "8 times in a row" in told
    await yard.gone(group)


async def test_memory_that_ran_out_is_told_with_how_much_there_was(yard: HollowYard) -> None:
    group = yard.group()
    yard.cluster.kubelet.starts = False  # type: ignore[union-attr]
    over = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = {**status(state), "lastState": over, "restartCount": 7}
    told = await waits(yard, group, {"containerStatuses": [found]})
    assert "PodOutOfMemory: It ran out of memory: its container has 1,024 MiB of memory" in told
    [node] = await yard.of(group)
    said = await yard.fleet.explain(node)
    assert said == "It ran out of memory: its container has 1,024 MiB of memory."
    await yard.gone(group)


async def test_watches_that_end_are_resumed_and_listed_anew_where_that_is_too_late(
    yard: HollowYard,
) -> None:
    group = yard.group()
    await yard.applied(group, 1)
    before = yard.cluster.server.requests.count(("list", "pods"))
    yard.cluster.end_watches()
    await yard.applied(group, 2)
    assert yard.cluster.server.requests.count(("list", "pods")) == before, "resumed"
    yard.cluster.end_watches()
    yard.cluster.compact()
    await yard.applied(group, 3)
    await yard.gone(group)


async def test_an_api_server_that_restarts_is_waited_for_and_nothing_is_taken_to_have_gone(
    yard: HollowYard,
) -> None:
    before = yard.everything()
    group = yard.group()
    await yard.applied(group, 2)
    yard.cluster.go_down()

    async def is_away() -> bool:
        try:
            assert len(await yard.fleet.nodes()) == 2, "as they were"
        except Unavailable:
            return True
        return False

    await eventually(is_away, "it is away", every=0.02)
    yard.cluster.come_back()

    async def is_back() -> bool:
        try:
            return len(await yard.of(group)) == 2
        except Unavailable:
            return False

    await eventually(is_back, "it is back", every=0.02)
    await clears_up(yard, group, before)


def status(state: Object) -> Object:
    image = "registry.example/it"
    about = {"name": "node", "image": image, "imageID": "", "ready": False, "restartCount": 0}
    return {**about, "state": state}


async def waits(yard: HollowYard, group: NodeGroup, said: Object) -> str:
    """What is made of a pod whose kubelet says this."""

    def pods() -> list[Object]:
        return yard.cluster.call(lambda: yard.cluster.store.all("pods", NAMESPACE))

    async def there() -> bool:
        await yard.fleet.apply(group, 1)
        return bool(pods())

    await eventually(there, "a pod", every=0.02)
    [pod] = pods()
    yard.change("pods", pod["metadata"]["name"], lambda body: body["status"].update(said))
    return await yard.failed(group)
