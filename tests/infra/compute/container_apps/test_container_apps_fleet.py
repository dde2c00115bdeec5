"""What a fleet of Container Apps asks of Azure Resource Manager, and what it makes of the answers:
on a strict stand-in, whose apps run nowhere. Apps that run are tried in tests/contract/fleets."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from domain.errors import Unavailable
from domain.ports import OwnServer, ProgramIdentity, ServerRoute
from infra.compute.container_apps.app_endings import NEVER, PULL_PATIENCE
from infra.compute.container_apps.known_apps import COMING, SETTLED
from infra.compute.remote.fleet import NodeState
from tests.kit.apps.scripted_apps import (
    IMAGE,
    PULLER,
    ScriptedApps,
    scripted_apps,
    standing_in,
)
from tests.kit.waiting import eventually
from tests.servers.arm import schema
from tests.servers.arm.records import Fault
from tests.servers.arm.runs import PartState, ScriptedRuns
from tests.servers.arm.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="module")

Stand = tuple[StandIn, ScriptedRuns]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing_in() as stand:
        yield stand


@pytest_asyncio.fixture(loop_scope="module")
async def apps(stand: Stand) -> AsyncIterator[ScriptedApps]:
    stand_in, runs = stand
    runs.states.clear()
    runs.always = None
    stand_in.manager.faults.clear()
    stand_in.manager.is_slow = False
    async with scripted_apps(stand_in, runs) as apps:
        yield apps
    stand_in.manager.apps.clear()


# -- one app for one node


async def test_a_group_comes_scales_and_goes_and_leaves_nothing(apps: ScriptedApps) -> None:
    group = apps.group()
    assert (await apps.applied(group, 2)).prepared
    nodes = await apps.in_state(group, NodeState.RUNNING, 2)
    assert [node.number for node in nodes] == [0, 1]
    assert len({node.address for node in nodes}) == 2
    assert all(app.revisions == 1 for app in apps.apps)
    scales = [app.properties["template"]["scale"] for app in apps.apps]
    assert scales == [{"minReplicas": 1, "maxReplicas": 1}] * 2
    assert await apps.fleet.groups() == [group.name]
    await apps.gone(group)
    assert apps.apps == []
    assert await apps.fleet.groups() == []
    assert await apps.fleet.delete(group.name, linger=0, grace=0), "again"


async def test_no_app_is_kept_from_the_network_by_itself(apps: ScriptedApps) -> None:
    progress = await apps.fleet.apply(apps.group(closed=True), 1)
    assert progress.failure is not None
    assert "subnet that all apps share" in progress.failure.reason
    assert apps.apps == []


async def test_its_address_leads_by_its_name_to_the_environments_own(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    [app] = apps.apps
    assert node.address == f"{app.fqdn}@127.0.0.1:443"


async def test_a_group_s_name_may_be_as_long_as_it_is_and_a_key_longer(apps: ScriptedApps) -> None:
    group = replace(apps.group(), name="g" + "-very" * 7 + "-long", key=f"online/{'k' * 400}")
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    assert node.id == f"{group.name}-0.1"
    assert len(apps.apps[0].name) <= 32
    assert max(map(len, apps.apps[0].body["tags"].values())) <= 256


async def test_an_app_of_a_deployment_is_tagged_for_the_bill(apps: ScriptedApps) -> None:
    group = replace(apps.group(), key="online/iris/blue")
    await apps.applied(group, 1)
    await apps.in_state(group, NodeState.RUNNING)
    [app] = apps.apps
    tags = app.body["tags"]
    assert (tags["azuremlendpoint"], tags["azuremldeployment"]) == ("iris", "blue")
    workers = replace(apps.group(), key="pool/1")
    await apps.applied(workers, 1)
    await apps.in_state(workers, NodeState.RUNNING)
    assert sorted("azuremlendpoint" in each.body["tags"] for each in apps.apps) == [False, True]


async def test_another_installation_s_apps_are_neither_shown_nor_touched(
    apps: ScriptedApps,
) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    async with apps.beside("two") as other:
        assert await other.fleet.nodes() == []
        assert await other.fleet.groups() == []
        assert await other.fleet.delete(group.name, linger=0, grace=0)
    assert len(apps.apps) == 1


async def test_another_host_finds_what_one_has_left_by_its_tags(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    async with apps.beside() as other:
        assert await other.fleet.groups() == [group.name]
        [node] = await other.of(group)
        assert node.attempt == group.attempt
        await other.gone(group)
    assert apps.apps == []


async def test_what_an_app_is_told_is_secret_and_is_never_shown(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    [app] = apps.apps
    assert group.secret not in json.dumps(app.shown)
    assert "of the user" not in json.dumps(app.shown)


async def test_more_apps_than_a_page_are_all_seen(apps: ScriptedApps) -> None:
    apps.environment.cores = 1000
    group = apps.group()
    await apps.applied(group, 45)
    assert len(await apps.in_state(group, NodeState.RUNNING, 45)) == 45


async def test_at_rest_a_list_a_minute_is_all_that_is_asked(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 3)
    await apps.in_state(group, NodeState.RUNNING, 3)
    before = apps.manager.calls.copy()
    for _ in range(120):
        apps.pass_by(0.5)
        await apps.fleet.nodes()
        await apps.fleet.groups()
    assert apps.manager.calls - before == {"list apps": 1}
    assert SETTLED == 60


# -- made once


@pytest.mark.parametrize("fault", [Fault("PUT", "", lost=True), Fault("PUT", "", status=503)])
async def test_an_app_whose_making_is_not_answered_is_made_once(
    apps: ScriptedApps, fault: Fault
) -> None:
    apps.manager.faults.append(replace(fault))
    group = apps.group()
    assert (await apps.applied(group, 1)).prepared
    await apps.in_state(group, NodeState.RUNNING)
    [app] = apps.apps
    assert (app.revisions, apps.manager.made[app.name]) == (1, 1)


async def test_two_hosts_that_ask_for_the_same_make_it_once(apps: ScriptedApps) -> None:
    group = apps.group()
    async with apps.beside() as other:
        await other.fleet.nodes()
        await apps.applied(group, 2)
        assert (await other.fleet.apply(group, 2)).prepared
    assert [apps.manager.made[app.name] for app in apps.apps] == [1, 1]


async def test_an_app_that_is_busy_is_taken_away_when_it_is_not(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    apps.manager.faults.append(Fault("DELETE", "", 2, 409, "ContainerAppOperationInProgress"))
    await apps.gone(group)
    assert apps.apps == []


async def test_a_node_that_is_wanted_again_comes_beside_an_app_that_is_on_its_way_out(
    apps: ScriptedApps,
) -> None:
    group = replace(apps.group(), drain=1e6)
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    await apps.applied(group, 0)
    await apps.in_state(group, NodeState.LEAVING)
    await apps.applied(group, 1)
    [other] = await apps.in_state(group, NodeState.RUNNING)
    assert (other.number, other.id) == (0, node.id.replace(".1", ".2"))
    assert len(apps.apps) == 2, "whose app has as long as it takes"
    await apps.gone(group)
    assert apps.apps == [], "which is sooner"


# -- what goes wrong


async def failure_of(apps: ScriptedApps, **size: float) -> tuple[str, str]:
    """Of a group that cannot come: code and reason, and nothing is left of it."""
    group = apps.group(**size)
    progress = await apps.applied(group, 1)
    if progress.failure is not None:
        told = progress.failure.code, progress.failure.reason
    else:
        [node] = await apps.in_state(group, NodeState.ENDED)
        assert node.hopeless
        told = str(node.code), str(node.reason)
        made = len(apps.manager.made)
        await apps.fleet.apply(group, 1)
        assert len(apps.manager.made) == made, "it is not tried again by itself"
    await apps.gone(group)
    assert apps.apps == []
    return told


async def test_a_quota_is_named_and_what_to_do(apps: ScriptedApps) -> None:
    apps.environment.cores = 1
    code, reason = await failure_of(apps)
    assert code == "OutOfQuota"
    assert "Maximum Allowed Cores exceeded" in reason
    assert "Ask for more quota" in reason


async def test_an_environment_without_the_profile_is_told_how_to_have_it(
    apps: ScriptedApps,
) -> None:
    code, reason = await failure_of(apps, cpu=8, memory=64)
    assert code == "OutOfQuota"
    assert "no workload profile of the type E16" in reason
    assert "az containerapp env workload-profile add" in reason


async def test_a_size_that_no_profile_has_is_told(apps: ScriptedApps) -> None:
    _, reason = await failure_of(apps, cpu=64, memory=128)
    assert reason == "No workload profile has 64 cores and 128 GiB for one app."


async def test_an_identity_that_is_not_there_is_named(apps: ScriptedApps) -> None:
    apps.manager.identities.discard(PULLER.casefold())
    try:
        code, reason = await failure_of(apps)
    finally:
        apps.manager.identities.add(PULLER.casefold())
    assert code == "ResourceNotReady"
    assert f"The identity {PULLER} was not found (FailedIdentityOperation)." in reason


async def test_a_secret_that_does_not_resolve_is_named(apps: ScriptedApps) -> None:
    said = "SecretRef 'node-secret' defined for container 'agent' is not found."
    apps.manager.faults.append(Fault("PUT", "", 1, 400, "ContainerAppSecretRefNotFound", said))
    code, reason = await failure_of(apps)
    assert code == "ResourceNotReady"
    assert f"{said.rstrip('.')} (ContainerAppSecretRefNotFound)." in reason
    assert sum(apps.manager.made.values()) == len(apps.manager.made), "nothing is made twice"


async def test_a_puller_without_the_role_is_told_of_once_and_nothing_is_left(
    apps: ScriptedApps,
) -> None:
    said = "ErrImagePull: failed to authorize: 401 unauthorized"
    apps.runs.always = [PartState("agent", "Waiting", False, said)]
    group = apps.group()
    await apps.applied(group, 3)
    await apps.in_state(group, NodeState.COMING, 3)
    apps.pass_by(PULL_PATIENCE)
    nodes = await apps.in_state(group, NodeState.ENDED, 3)
    assert {node.code for node in nodes} == {"ImageBuildFailure"}
    names = {app.name for app in apps.apps}
    await apps.fleet.apply(group, 3)
    assert {app.name for app in apps.apps} == names, "it is not tried again by itself"
    await apps.gone(group)
    assert apps.apps == []


@pytest.mark.parametrize(
    ("status", "code"), [(409, "ContainerAppOperationInProgress"), (412, "PreconditionFailed")]
)
async def test_an_app_that_somebody_else_is_at_is_looked_at_again_and_made_once(
    apps: ScriptedApps, status: int, code: str
) -> None:
    apps.manager.faults.append(Fault("PUT", "", 1, status, code))
    group = apps.group()
    assert (await apps.applied(group, 1)).failure is None
    await apps.fleet.apply(group, 1)
    await apps.in_state(group, NodeState.RUNNING)
    [app] = apps.apps
    assert (app.revisions, apps.manager.made[app.name]) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_platform_that_is_busy_for_now_is_asked_again_and_nothing_is_made_twice(
    apps: ScriptedApps, status: int
) -> None:
    group = apps.group()
    for method in ("PUT", "GET", "DELETE"):
        apps.manager.faults.append(Fault(method, "", 1, status, "Busy", retry_after=0))
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    assert (node.number, apps.manager.made[apps.apps[0].name]) == (0, 1)
    await apps.gone(group)
    assert apps.apps == []


async def test_a_right_that_this_host_lacks_is_named(apps: ScriptedApps) -> None:
    told = "does not have authorization to perform action 'Microsoft.App/containerApps/write'"
    apps.manager.faults.append(Fault("PUT", "", 1, 403, "AuthorizationFailed", told))
    _, reason = await failure_of(apps)
    assert told in reason
    assert "needs the role Container Apps Contributor" in reason


async def test_an_image_that_cannot_be_pulled_is_told_once_a_role_has_had_its_time(
    apps: ScriptedApps,
) -> None:
    said = "ImagePullBackOff: failed to authorize: 401 unauthorized"
    apps.runs.always = [PartState("agent", "Waiting", False, said)]
    group = apps.group()
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.COMING)
    apps.pass_by(PULL_PATIENCE)
    [node] = await apps.in_state(group, NodeState.ENDED)
    assert (node.code, node.hopeless) == ("ImageBuildFailure", True)
    assert said in str(node.reason)
    assert "AcrPull" in str(node.reason)


async def test_a_crash_loop_is_told_with_the_end_of_its_log(apps: ScriptedApps) -> None:
    part = PartState("agent", "Waiting", False, "CrashLoopBackOff: OOMKilled", restarts=3)
    apps.runs.always = [part]
    apps.runs.logs["agent"] = "it grows and grows"
    group = apps.group()
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.COMING)
    part.restarts = 6
    [node] = await apps.in_state(group, NodeState.ENDED)
    assert node.hopeless
    assert "It ran out of memory: its container has 4Gi of memory." in str(node.reason)
    assert "It ended 6 times in a row" in str(node.reason).replace(
        "Its container ended", "It ended"
    )
    assert str(node.reason).endswith("The end of its log:\nit grows and grows")


async def test_an_agent_that_cannot_begin_says_why_at_once(apps: ScriptedApps) -> None:
    apps.runs.always = [PartState("agent", "Waiting", False, "CrashLoopBackOff", restarts=1)]
    apps.runs.logs["agent"] = 'it begins\n{"code": "BadArgument", "message": "no such mode"}'
    assert await failure_of(apps) == ("BadArgument", "no such mode")


async def test_a_revision_that_never_runs_is_given_up(apps: ScriptedApps) -> None:
    apps.runs.always = [PartState("agent", "Running", ready=False)]
    apps.runs.logs["agent"] = "still at it"
    group = apps.group()
    await apps.applied(group, 1)
    await apps.in_state(group, NodeState.COMING)
    apps.pass_by(NEVER)
    [node] = await apps.in_state(group, NodeState.ENDED)
    assert "has not come to run within 15 minutes: Processing, Unhealthy" in str(node.reason)


async def test_another_attempt_is_another_life(apps: ScriptedApps) -> None:
    apps.runs.always = [PartState("agent", "Waiting", False, "CrashLoopBackOff", restarts=9)]
    group = apps.group()
    await apps.applied(group, 1)
    [ended] = await apps.in_state(group, NodeState.ENDED)
    apps.runs.always = None
    await apps.applied(replace(group, attempt=1), 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    assert (node.id, node.attempt) == (ended.id.replace(".1", ".2"), 1)


async def test_a_node_that_is_replaced_leaves_its_last_words(apps: ScriptedApps) -> None:
    apps.runs.logs["agent"] = "what it said"
    group = apps.group()
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    await apps.fleet.replace(node, "It was silent.")
    [ended] = await apps.in_state(group, NodeState.ENDED)
    assert (ended.id, ended.reason, ended.hopeless) == (node.id, "It was silent.", False)
    assert await apps.fleet.logs(group.name, tail=9) == "what it said\nIt was silent."
    apps.pass_by(60)
    await apps.applied(group, 1)
    apps.pass_by(60)
    await apps.applied(group, 1)
    [other] = await apps.in_state(group, NodeState.RUNNING)
    assert (other.number, other.id != node.id) == (0, True)


async def test_what_lives_before_have_printed_is_shown_first_and_what_befell_them(
    apps: ScriptedApps,
) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    [node] = await apps.in_state(group, NodeState.RUNNING)
    [before] = apps.apps
    apps.gone_apps.words[before.name] = "its words"
    assert await apps.fleet.logs(group.name, tail=9) == "", "it answers for itself"
    await apps.fleet.replace(node, "It was silent.")
    apps.pass_by(60)
    await apps.applied(group, 1)
    apps.pass_by(60)
    await apps.applied(group, 1)
    [other] = await apps.in_state(group, NodeState.RUNNING)
    assert other.id != node.id

    async def told() -> bool:
        """Once the platform has it no more."""
        apps.pass_by(COMING)
        return await apps.fleet.logs(group.name, tail=9) == f"{node.id} - its words"

    await eventually(told, "what the one before has printed")
    story = await apps.fleet.story(group.name, group.program, tail=9)
    assert story.splitlines()[-1] == f"{node.id} Started: it"


# -- who it is, and what is beside it


async def test_an_app_is_who_its_program_is_and_pulls_as_somebody_else(apps: ScriptedApps) -> None:
    given = f"{PULLER}-of-the-user"
    apps.manager.identities.add(given.casefold())
    identity = ProgramIdentity("onlineEndpoints/iris", own=True, given=(given,))
    await apps.applied(apps.group(identity=identity), 1)
    [app] = apps.apps
    assert app.body["identity"] == {
        "type": "SystemAssigned,UserAssigned",
        "userAssignedIdentities": {PULLER: {}, given: {}},
    }
    configuration = app.properties["configuration"]
    assert configuration["identitySettings"] == [{"identity": PULLER, "lifecycle": "None"}]
    assert configuration["registries"] == [{"server": "r.azurecr.io", "identity": PULLER}]


async def test_a_server_of_the_user_s_own_stands_beside_the_agent(apps: ScriptedApps) -> None:
    route = ServerRoute("/", 5001)
    server = OwnServer(route, route, route, "/models", "/code", ("serve", "--all"))
    apps.images.image = replace(IMAGE, server="r.azurecr.io/server:1")
    await apps.applied(apps.group(server=server), 1)
    [app] = apps.apps
    agent, beside = app.properties["template"]["containers"]
    assert app.properties["configuration"]["ingress"]["targetPort"] == 15001
    assert beside["command"] == ["serve", "--all"]
    assert {m["mountPath"]: m["subPath"] for m in beside["volumeMounts"]} == {
        "/models": "model",
        "/code": "code",
    }
    assert {"name": "KEY", "value": "of the user"} in beside["env"]
    sizes = [(e["resources"]["cpu"], e["resources"]["memory"]) for e in (agent, beside)]
    assert sizes == [(0.25, "0.5Gi"), (1.75, "3.5Gi")]


# -- a platform that is away


async def test_what_was_seen_is_told_while_there_is_no_newer_answer(apps: ScriptedApps) -> None:
    group = apps.group()
    await apps.applied(group, 1)
    await apps.in_state(group, NodeState.RUNNING)
    apps.manager.faults.append(Fault("GET", "containerApps", 1, 400, "Broken", "it is broken"))
    apps.pass_by(SETTLED)
    with pytest.raises(Unavailable, match="it is broken"):
        await apps.fleet.nodes()
    apps.manager.faults.clear()
    apps.manager.faults.append(Fault("GET", "containerApps", 1, 429, retry_after=3600))
    [node] = await apps.of(group)
    assert node.state is NodeState.RUNNING
    asked = apps.manager.calls.copy()
    apps.pass_by(301)
    with pytest.raises(Unavailable, match="does not answer") as raised:
        await apps.fleet.nodes()
    assert raised.value.retry_after > 3000
    assert apps.manager.calls == asked, "it is left alone for as long as it has said"


# -- the stand-in itself


@pytest.mark.skipif(not schema.is_there(), reason=schema.WITHOUT)
@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (lambda b: b["properties"]["configuration"].update(ingres={}), "ingres"),
        (lambda b: b["properties"].update(provisioningState="Succeeded"), "read-only"),
        (lambda b: b["properties"]["configuration"].update(activeRevisionsMode="Two"), "Two"),
        (lambda b: b["properties"]["template"]["scale"].update(minReplicas="1"), "'1'"),
        (lambda b: b.pop("location"), "location"),
    ],
)
async def test_a_body_with_a_fault_is_refused(
    apps: ScriptedApps, spoiled: object, said: str
) -> None:
    await apps.applied(apps.group(), 1)
    body = json.loads(json.dumps(apps.apps[0].body))
    assert schema.faults("ml-x", body) == []
    assert callable(spoiled)
    spoiled(body)
    told = schema.faults("ml-x", body)
    assert any(said in each or "provisioningState" in each for each in told), told
