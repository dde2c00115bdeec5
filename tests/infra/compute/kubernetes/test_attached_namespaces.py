"""Groups in several namespaces of a cluster, by one fleet."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Unavailable
from domain.ports import ClusterPlace
from infra.compute.kubernetes.api.cluster_access import cluster_access
from infra.compute.kubernetes.api.kubernetes_api import PODS, KubernetesApi
from infra.compute.kubernetes.api.listing import Listing
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.namespaces.cluster_fleet import ClusterFleet
from infra.compute.kubernetes.namespaces.known_namespaces import KnownNamespaces
from infra.compute.kubernetes.namespaces.namespace_trial import NamespaceTrial
from infra.compute.remote.fleet import NodeGroup, NodeState
from tests.kit.clocks import HeldClock
from tests.kit.clusters.hollow_cluster import (
    AROUND,
    OURS,
    PATIENT,
    HollowYard,
    MadeImages,
    hollow_yard,
    role,
)
from tests.kit.waiting import eventually
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster
from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

TEAM = "team"
_ATTACHED = Path(__file__).parents[4] / "deploy" / "kubernetes" / "attached"


@dataclass
class Field:
    """A cluster with two namespaces, and what hosts share."""

    cluster: Cluster
    yard: HollowYard
    store: MemoryResourceStore

    @asynccontextmanager
    async def fleet(
        self, token: str = "admin", *, listed_every: float | None = None
    ) -> AsyncIterator[ClusterFleet]:
        """Of another host."""
        config = self.cluster.kubeconfig(self.yard.folder / f"config-{token}", token)
        api = KubernetesApi(cluster_access(config, None, {}))

        async def named() -> str:
            return OURS

        def at(namespace: str) -> KubernetesFleet:
            around = replace(AROUND, namespace=namespace, listed_every=listed_every)
            return KubernetesFleet(api, MadeImages(), named, around, PATIENT)

        fleet = ClusterFleet(at, NAMESPACE, KnownNamespaces(self.store))
        try:
            yield fleet
        finally:
            await fleet.close()

    def group(self, namespace: str | None) -> NodeGroup:
        found = self.yard.group()
        limits = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
        place = ClusterPlace(namespace, limits, limits, {"agentpool": "gpus"})
        size = replace(found.program.size, place=place)
        return replace(found, program=replace(found.program, size=size))

    def machine_has_gpus(self) -> None:
        [machine] = self.cluster.controllers.machines
        machine.extended["nvidia.com/gpu"] = 4
        machine.labels["agentpool"] = "gpus"

    def deployments(self, namespace: str) -> list[str]:
        def named() -> list[str]:
            there = self.cluster.store.all("deployments", namespace)
            return [each["metadata"]["name"] for each in there]

        return self.cluster.call(named)


@pytest_asyncio.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    with Cluster(tmp_path) as cluster:
        cluster.call(lambda: cluster.namespace(TEAM))
        async with hollow_yard(cluster, tmp_path / "ours") as yard:
            found = Field(cluster, yard, MemoryResourceStore(lambda: 0.0))
            found.machine_has_gpus()
            yield found


async def comes(fleet: ClusterFleet, group: NodeGroup, count: int) -> None:
    async def there() -> bool:
        progress = await fleet.apply(group, count)
        assert progress.failure is None, progress.failure
        nodes = [each for each in await fleet.nodes() if each.group == group.name]
        return [each.state for each in nodes] == [NodeState.RUNNING] * count

    await eventually(there, f"{count} nodes", every=0.02)


async def goes(fleet: ClusterFleet, group: NodeGroup) -> None:
    await eventually(
        lambda: fleet.delete(group.name, linger=0.0, grace=0.0), "it is gone", every=0.02
    )


async def test_groups_are_where_their_instance_type_says_and_another_host_finds_them(
    field: Field,
) -> None:
    here, there = field.group(None), field.group(TEAM)
    async with field.fleet() as fleet:
        await comes(fleet, here, 1)
        await comes(fleet, there, 2)
    assert field.deployments(NAMESPACE) == [f"mle-{OURS}-{here.name}"]
    assert field.deployments(TEAM) == [f"mle-{OURS}-{there.name}"]
    [pod, _] = field.cluster.call(lambda: field.cluster.store.all("pods", TEAM))
    assert pod["spec"]["nodeSelector"] == {"agentpool": "gpus"}
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    async with field.fleet() as another:
        assert set(await another.groups()) == {here.name, there.name}
        node = next(each for each in await another.nodes() if each.group == there.name)
        await another.replace(node, "It was silent.")
        await comes(another, there, 2)
        await goes(another, there)
        await goes(another, here)
        assert await another.groups() == []
        assert await KnownNamespaces(field.store).all() == ()
    assert field.deployments(TEAM) == []


async def test_a_host_that_holds_no_watch_lists_while_something_is_there_and_else_asks_nothing(
    field: Field,
) -> None:
    asked = field.cluster.server.requests
    async with field.fleet(listed_every=0.0) as fleet:
        before = len(asked)
        assert (list(await fleet.nodes()), await fleet.groups()) == ([], [])
        assert len(asked) == before
        group = field.group(TEAM)
        await comes(fleet, group, 1)
        await goes(fleet, group)
        assert {verb for verb, _ in asked[before:]} == {"list", "patch", "get", "delete"}
        before = len(asked)
        assert list(await fleet.nodes()) == []
        assert len(asked) == before


async def test_a_list_is_made_anew_by_who_asks_later_and_by_nobody_else(field: Field) -> None:
    clock = HeldClock()
    config = field.cluster.kubeconfig(field.yard.folder / "config-list")
    api = KubernetesApi(cluster_access(config, None, {}))
    pods = Listing(api, PODS, TEAM, "", 5.0, clock.unix)
    asked = field.cluster.server.requests
    try:
        for _ in range(3):
            assert await pods.objects() == []
        assert asked.count(("list", "pods")) == 1
        clock.move(5.0)
        await pods.objects()
        assert asked.count(("list", "pods")) == 2
    finally:
        await api.close()


async def test_a_namespace_that_is_closed_to_the_host_keeps_nobody_from_the_others(
    field: Field,
) -> None:
    role(field.cluster, "host")
    role(field.cluster, "host", TEAM)
    here, there = field.group(None), field.group(TEAM)
    async with field.fleet("host") as fleet:
        await comes(fleet, there, 1)
        await comes(fleet, here, 1)
        before = {each.id for each in await fleet.nodes()}

        def closed() -> None:
            field.cluster.store.remove(BY_PLURAL["rolebindings"], TEAM, "host")

        field.cluster.call(closed)
        field.cluster.end_watches()

        async def refused() -> bool:
            progress = await fleet.apply(there, 2)
            return progress.failure is not None and "cannot" in progress.failure.reason

        await eventually(refused, "the host may not see it", every=0.02)
        assert {each.id for each in await fleet.nodes()} == before
        await comes(fleet, here, 2)
        with pytest.raises(Unavailable, match="does not let this host do it"):
            await fleet.delete(there.name, linger=0.0, grace=0.0)


async def test_what_cannot_be_attached_says_why_and_trying_leaves_nothing(field: Field) -> None:
    before = field.yard.everything()
    config = field.cluster.kubeconfig(field.yard.folder / "config-trial")
    api = KubernetesApi(cluster_access(config, None, {}))
    stranger = field.cluster.kubeconfig(field.yard.folder / "config-host", "host")
    role(field.cluster, "host")
    limited = KubernetesApi(cluster_access(stranger, None, {}))
    try:
        trial = NamespaceTrial(api)
        assert await trial.of(TEAM) is None
        told = await trial.of("nowhere")
        assert told == "The cluster has no namespace 'nowhere': make it, or name another one."
        told = await NamespaceTrial(limited).of(TEAM)
        assert told is not None
        assert 'cannot patch resource "serviceaccounts"' in told
    finally:
        await api.close()
        await limited.close()
    roles = {"roles/ml-endpoints-host", "rolebindings/host"}
    assert field.yard.everything() - roles == before
    assert field.cluster.call(lambda: field.cluster.store.all("serviceaccounts", TEAM)) == []


def test_kubectl_gives_the_host_its_rights_in_a_namespace(field: Field, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on this machine (apt-get install kubernetes-client)")
    config = field.cluster.kubeconfig(tmp_path / "config")
    words = ("apply", "--server-side", "--validate=ignore", "-n", TEAM, "-k", str(_ATTACHED))
    command = [kubectl, "--kubeconfig", str(config), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bindings = field.cluster.call(lambda: field.cluster.store.all("rolebindings", TEAM))
    assert [each["subjects"][0]["namespace"] for each in bindings] == ["ml-endpoints"]
