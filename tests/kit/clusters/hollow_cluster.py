"""A fleet over a cluster whose pods run nowhere."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from domain.errors import Unavailable
from domain.ports import EnvironmentSpec, InstanceSize, Program
from infra.compute.kubernetes.api.cluster_access import cluster_access
from infra.compute.kubernetes.api.kubernetes_api import KubernetesApi
from infra.compute.kubernetes.cluster_types import AZURES
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.pods.known_pods import Patience
from infra.compute.kubernetes.pods.pod_template import Surroundings
from infra.compute.kubernetes.preparations import PodImages
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import Node, NodeGroup, NodeState, Progress
from tests.kit.waiting import eventually
from tests.servers.kubernetes.api_server import Asked
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster
from tests.servers.kubernetes.kinds import BY_PLURAL, Kind
from tests.servers.kubernetes.store import Object

_ROLE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "role" / "role.yaml"
AROUND = Surroundings(NAMESPACE, False, (), False, 16, 32, None, (), AZURES, {}, False, None)
PATIENT = Patience(unscheduled=10**6, unpulled=10**6)
HASTY = Patience(unscheduled=0, unpulled=0)
OURS = "ours"


def program(size: InstanceSize) -> Program:
    return Program(EnvironmentSpec("3.11", ()), None, None, "score.py", {}, size)


class MadeImages(PodImages):
    """All of them are there already."""

    async def ensure(self, group: str, program: Program) -> ProgramImage:
        return ProgramImage(f"registry.example/{group}@sha256:{'0' * 64}", "", False, True)

    async def story(self, group: str, program: Program) -> Sequence[str]:
        return ["The image is there."]

    def forget(self, group: str) -> None:
        """Nothing is known of it."""

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class HollowYard:
    """`token` is who the fleet is to the cluster."""

    cluster: Cluster
    fleet: KubernetesFleet
    folder: Path
    token: str = "admin"
    numbers: Any = field(default_factory=itertools.count)

    def group(self, mode: str = "serve", **more: Any) -> NodeGroup:
        name = f"g{next(self.numbers)}"
        spec = {"contract": 1, "mode": mode, "script": "score.py"}
        key, runs = f"online/iris/{name}", program(InstanceSize(1, 2**30))
        return replace(NodeGroup(name, key, runs, spec, "s" * 40, drain=1.0), **more)

    async def applied(self, group: NodeGroup, count: int) -> Progress:
        """Asked for as often as it takes until there are as many."""

        async def done() -> Progress | None:
            progress = await self.fleet.apply(group, count)
            there = len([n for n in await self.of(group) if n.state is NodeState.RUNNING])
            return progress if progress.failure or there == count else None

        told: Progress = await eventually(done, f"{count} nodes", every=0.02)
        return told

    async def failed(self, group: NodeGroup, count: int = 1) -> str:
        """With which code and reason, once it has."""

        async def told() -> str | None:
            progress = await self.fleet.apply(group, count)
            if progress.failure is not None:
                return f"{progress.failure.code}: {progress.failure.reason}"
            hopeless = [node for node in await self.of(group) if node.hopeless]
            return f"{hopeless[0].code}: {hopeless[0].reason}" if hopeless else None

        reason: str = await eventually(told, "a failure", every=0.02)
        return reason

    async def of(self, group: NodeGroup) -> list[Node]:
        found = [node for node in await self.fleet.nodes() if node.group == group.name]
        return sorted(found, key=lambda node: node.number)

    async def gone(self, group: NodeGroup) -> None:
        """Asked for again where the cluster could not be seen just then."""

        async def over() -> bool:
            try:
                return await self.fleet.delete(group.name, linger=0.0, grace=0.0)
            except Unavailable:
                return False

        await eventually(over, "gone", every=0.02)

    def name(self, group: NodeGroup) -> str:
        return f"mle-{OURS}-{group.name}"

    def find(self, plural: str, name: str, namespace: str = NAMESPACE) -> Object:
        found = self.cluster.call(lambda: self.cluster.store.find(plural, namespace, name))
        assert found is not None, f"there is no {plural} {name}"
        return found

    def everything(self) -> set[str]:
        """Whatever is in the namespace, but for what is said of it."""

        def named() -> set[str]:
            store = self.cluster.store
            every = [p for p in BY_PLURAL if p not in ("events", "namespaces")]
            return {f"{p}/{e['metadata']['name']}" for p in every for e in store.all(p, NAMESPACE)}

        return self.cluster.call(named)

    def put(self, plural: str, body: Object) -> None:
        body.setdefault("metadata", {}).setdefault("namespace", NAMESPACE)
        self.cluster.call(lambda: self.cluster.store.create(BY_PLURAL[plural], body))

    def change(self, plural: str, name: str, act: Callable[[Object], None]) -> None:
        """By hand, past every check."""

        def changed() -> None:
            store = self.cluster.store
            body = store.get(BY_PLURAL[plural], NAMESPACE, name)
            act(body)
            store.replace(BY_PLURAL[plural], body)

        self.cluster.call(changed)

    def kind(self, plural: str) -> Kind:
        return BY_PLURAL[plural]

    def edit(self, plural: str, body: Object) -> None:
        """As `kubectl edit` does; in the thread of the cluster."""
        meta = body["metadata"]
        asked = Asked(BY_PLURAL[plural], meta["namespace"], meta["name"], "", {})
        self.cluster.server.update(asked, body)


def role(cluster: Cluster, token: str = "host", namespace: str = NAMESPACE) -> None:
    """Whoever shows the token has there the Role that is shipped, and no more."""
    account = {"kind": "ServiceAccount", "name": "host", "namespace": NAMESPACE}
    binding: Object = {
        "metadata": {"name": "host", "namespace": namespace},
        "subjects": [account],
        "roleRef": {"kind": "Role", "name": "ml-endpoints-host"},
    }
    shipped: Object = yaml.safe_load(_ROLE.read_text())
    shipped["metadata"]["namespace"] = namespace

    def given() -> None:
        cluster.store.create(BY_PLURAL["roles"], shipped)
        cluster.store.create(BY_PLURAL["rolebindings"], binding)
        cluster.access.subjects[token] = f"{NAMESPACE}:host"

    cluster.call(given)


@asynccontextmanager
async def hollow_yard(
    cluster: Cluster,
    folder: Path,
    *,
    around: Surroundings = AROUND,
    patience: Patience = PATIENT,
    token: str = "admin",
) -> AsyncIterator[HollowYard]:
    async def named() -> str:
        return OURS

    folder.mkdir(exist_ok=True)
    access = cluster_access(cluster.kubeconfig(folder / "config", token), None, {})
    fleet = KubernetesFleet(KubernetesApi(access), MadeImages(), named, around, patience)
    try:
        yield HollowYard(cluster, fleet, folder, token)
    finally:
        await fleet.close()
