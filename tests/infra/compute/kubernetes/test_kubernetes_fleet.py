"""What a fleet asks of a cluster, and what it makes of the answers: on a strict API server, with
pods that run nowhere. Pods that run are tried in tests/contract/fleets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio

from infra.compute.remote.fleet import NodeState
from tests.kit.clusters.hollow_cluster import AROUND, HollowYard, hollow_yard
from tests.kit.waiting import eventually
from tests.servers.kubernetes.cluster import Cluster


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[HollowYard]:
    with Cluster(tmp_path) as cluster:
        async with hollow_yard(cluster, tmp_path / "ours") as yard:
            yield yard


async def test_a_group_is_a_deployment_with_all_it_needs_and_leaves_nothing(
    yard: HollowYard,
) -> None:
    before = yard.everything()
    group = yard.group()
    await yard.applied(group, 2)
    name = yard.name(group)
    made = yard.everything()
    for kind in (
        "deployments",
        "services",
        "secrets",
        "serviceaccounts",
        "networkpolicies",
        "poddisruptionbudgets",
    ):
        assert f"{kind}/{name}" in made
    policy = yard.find("networkpolicies", name)["spec"]
    [_, *ways] = policy["egress"]
    kept = {each for way in ways for to in way["to"] for each in to["ipBlock"]["except"]}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {"169.254.0.0/16", "168.63.129.16/32", "fd00:ec2::254/128"} <= kept
    nodes = await yard.of(group)
    assert [node.number for node in nodes] == [0, 1]
    assert all(node.address and node.address.endswith(":5001") for node in nodes)
    closed = yard.group()
    await yard.applied(replace(closed, program=replace(closed.program, closed=True)), 1)
    assert yard.find("networkpolicies", yard.name(closed))["spec"]["egress"] == []
    await yard.gone(closed)
    await yard.applied(group, 1)
    assert [node.id for node in await yard.of(group) if node.state is NodeState.RUNNING] == [
        nodes[0].id
    ]
    await yard.gone(group)
    await eventually(lambda: yard.everything() == before, "nothing is left", every=0.02)


async def test_where_pods_are_not_reached_themselves_each_is_at_a_port_of_its_machine(
    yard: HollowYard, tmp_path: Path
) -> None:
    before = yard.everything()
    around = replace(AROUND, by_machines=True)
    async with hollow_yard(yard.cluster, tmp_path / "far", around=around) as far:
        group = far.group()
        await far.applied(group, 2)
        nodes = await far.of(group)
        services = {
            each: far.find("services", each)["spec"] for each in (node.id for node in nodes)
        }
        for node in nodes:
            spec = services[node.id]
            assert spec["externalTrafficPolicy"] == "Local"
            assert node.address == f"10.0.0.1:{spec['ports'][0]['nodePort']}"
            assert (
                far.find("pods", node.id)["metadata"]["labels"].items() >= spec["selector"].items()
            )
        assert len({node.address for node in nodes}) == 2
        await far.gone(group)
    await eventually(lambda: yard.everything() == before, "nothing is left", every=0.02)


async def test_a_host_that_may_open_no_port_says_so(yard: HollowYard, tmp_path: Path) -> None:
    around = replace(AROUND, by_machines=True)
    async with hollow_yard(yard.cluster, tmp_path / "far", around=around) as far:
        yard.cluster.server.admission.webhooks.append(
            lambda kind, body: (
                "no ports of machines"
                if (body.get("spec") or {}).get("type") == "NodePort"
                else None
            )
        )
        group = far.group()
        assert "no ports of machines" in await far.failed(group)
        await far.gone(group)
