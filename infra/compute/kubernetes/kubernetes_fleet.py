"""Nodes as pods of a Kubernetes cluster: each group is a Deployment."""

import asyncio
import json
import logging
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from domain.errors import Unavailable
from domain.ports import Program
from infra.compute.gateway import Gateway
from infra.compute.ground.failure import StartFailure
from infra.compute.kubernetes import names as labels
from infra.compute.kubernetes.api.kubernetes_api import (
    DEPLOYMENTS,
    PODS,
    ApiRefusal,
    KubernetesApi,
    Object,
)
from infra.compute.kubernetes.cluster_view import ClusterView
from infra.compute.kubernetes.group_objects import GroupObjects
from infra.compute.kubernetes.mending import Mending
from infra.compute.kubernetes.names import Names
from infra.compute.kubernetes.own_address import own_address
from infra.compute.kubernetes.pods.known_pods import KnownPods, Patience
from infra.compute.kubernetes.pods.pod_doors import PodDoors
from infra.compute.kubernetes.pods.pod_reading import (
    has_run_out_of_memory,
    is_over,
    out_of_memory,
    seen_of,
)
from infra.compute.kubernetes.pods.pod_template import AGENT, SERVER, Surroundings
from infra.compute.kubernetes.preparations import PodImages, Preparations
from infra.compute.kubernetes.refusals import failing, failure_of, told
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState, Progress

_log = logging.getLogger("ml_endpoints.kubernetes")

_LAST: Final = 1
"""Seconds of grace for a pod that nobody waits for: with none at all the cluster would forget of it
before it has ended."""


class KubernetesFleet(Fleet):
    """In one namespace. `installation` says which one this is; what another has there is not
    seen."""

    def __init__(
        self,
        api: KubernetesApi,
        images: PodImages,
        installation: Callable[[], Awaitable[str]],
        around: Surroundings,
        patience: Patience,
    ) -> None:
        self._api = api
        self._namespace = around.namespace
        self._listed_every = around.listed_every
        self._installation = installation
        self._preparations = Preparations(images)
        self._images = images
        self._objects = GroupObjects(api, around)
        self._known = KnownPods(patience)
        self._doors = PodDoors(api, around.namespace) if around.by_machines else None
        self._mending = Mending(self._objects, self._mend)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._seen: tuple[Names, ClusterView] | None = None
        self._ending: dict[str, int] = {}

    # -- Fleet

    async def apply(self, group: NodeGroup, count: int) -> Progress:
        async with self._locks[group.name]:
            names, view = await self._here()
            self._known.asked(group.name)
            try:
                await view.check()
                there = (await view.deployments()).get(group.name)
                image = _image_of(there, group) or await self._preparations.of(group)
                if isinstance(image, Progress):
                    return image
                there = await self._objects.ensure(group, image, names, there)
                view.learn(there)
                self._mending.keep(group, image)
                if _replicas(there) == count:
                    return Progress(True, failing(there) or self._closed_door())
                await self._count(group.name, there, count)
            except ApiRefusal as refusal:
                return Progress(True, failure_of(refusal, self._namespace))
            return Progress(prepared=True)

    async def nodes(self) -> Sequence[Node]:
        _, view = await self._here()
        try:
            pods = await view.pods()
            addresses = await self._addresses(view, pods)
            deployments = await view.deployments()
        except ApiRefusal as refusal:
            if view.has_seen_pods:
                raise Unavailable(told(refusal, self._namespace)) from None
            return []  # whoever asks for some is told why there are none
        self._mending.look(deployments, [each for each in pods if is_over(each)])
        wanted = {group: _replicas(each) for group, each in deployments.items()}
        return self._known.nodes(pods, wanted, addresses)

    async def replace(self, node: Node, reason: str) -> None:
        _, view = await self._here()
        pod = await self._pod(view, node)
        if pod is not None:
            self._known.replaced(node, reason)
            await self._end(pod, _LAST)

    async def explain(self, node: Node) -> str | None:
        _, view = await self._here()
        pod = await self._pod(view, node)
        container = has_run_out_of_memory(pod) if pod is not None else None
        return f"{out_of_memory(container, pod)}." if pod is not None and container else None

    async def logs(self, group: str, *, tail: int) -> str:
        _, view = await self._here()
        lines: list[str] = []
        try:
            pods = await view.pods()
        except ApiRefusal as refusal:
            return told(refusal, self._namespace)
        for pod in (each for each in pods if each["metadata"]["labels"][labels.GROUP] == group):
            lines += await self._printed(pod, tail)
        return "\n".join(line for line in lines[-tail:] if line)

    async def story(self, group: str, program: Program, *, tail: int) -> str:
        lines = await self._images.story(group, program)
        return "\n".join([*lines, *await self._events(group)][-tail:])

    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        self._preparations.cancel(group)
        self._mending.forget(group)
        names, view = await self._here()
        seconds = max(_LAST, math.ceil(linger + grace))
        try:
            there = (await view.deployments()).get(group)
            if there is not None:
                await self._api.delete(DEPLOYMENTS, self._namespace, names.of(group))
            pods = [
                each
                for each in await view.pods()
                if each["metadata"]["labels"][labels.GROUP] == group
            ]
            await asyncio.gather(*(self._end(each, seconds) for each in pods))
        except ApiRefusal as refusal:
            raise Unavailable(told(refusal, self._namespace)) from None
        if there is not None or pods or not await self._objects.remove(names, group):
            return False
        self._preparations.forget(group)
        self._known.asked(group)
        self._locks.pop(group, None)
        return True

    async def groups(self) -> Sequence[str]:
        _, view = await self._here()
        try:
            found = {each["metadata"]["labels"][labels.GROUP] for each in await view.pods()}
            return sorted(found | set(await view.deployments()))
        except ApiRefusal as refusal:
            raise Unavailable(told(refusal, self._namespace)) from None

    async def networks(self) -> Sequence[Gateway]:
        """What pods reach is held by network policies."""
        return ()

    async def gateway(self) -> Gateway:
        address = await own_address(self._api.access.server)
        return Gateway(address, f"{address}/32")

    async def close(self) -> None:
        await self._preparations.close()
        await self._mending.close()
        if self._doors is not None:
            await self._doors.close()
        if self._seen is not None:
            await self._seen[1].close()
        await self._api.close()

    # -- inside

    async def _addresses(self, view: ClusterView, pods: Sequence[Object]) -> Mapping[str, str]:
        return await view.addresses() if self._doors is None else self._doors.addresses(pods)

    def _closed_door(self) -> StartFailure | None:
        refusal = self._doors.refusal if self._doors is not None else None
        return failure_of(refusal, self._namespace) if refusal is not None else None

    async def _here(self) -> tuple[Names, ClusterView]:
        if self._seen is None:
            names = Names(await self._installation())
            if self._seen is None:  # else another call has just begun to look
                view = ClusterView(
                    self._api, self._namespace, names.selector, listed_every=self._listed_every
                )
                self._seen = names, view
        return self._seen

    async def _mend(self, group: NodeGroup, image: ProgramImage) -> None:
        names, view = await self._here()
        async with self._locks[group.name]:
            there = (await view.deployments()).get(group.name)
            if there is not None:
                view.learn(await self._objects.ensure(group, image, names, there))

    async def _count(self, group: str, deployment: Object, count: int) -> None:
        _, view = await self._here()
        if count < _replicas(deployment):
            surplus = [
                node.id.partition(".")[0]
                for node in await self.nodes()
                if node.group == group and node.number >= count
            ]
            await self._objects.offer(surplus)
        name = deployment["metadata"]["name"]
        await self._objects.scale(self._namespace, name, count)
        fresh = await self._api.get(DEPLOYMENTS, self._namespace, name)
        if fresh is not None:
            view.learn(fresh)

    async def _pod(self, view: ClusterView, node: Node) -> Object | None:
        name = node.id.partition(".")[0]
        try:
            pods = await view.pods()
        except ApiRefusal as refusal:
            raise Unavailable(told(refusal, self._namespace)) from None
        return next((each for each in pods if each["metadata"]["name"] == name), None)

    async def _end(self, pod: Object, grace: int) -> None:
        """Once; sooner than it was to, if need be."""
        meta = pod["metadata"]
        before = self._ending.get(meta["uid"], meta.get("deletionGracePeriodSeconds"))
        if before is not None and before <= grace:
            return
        try:
            await self._api.delete(
                PODS, self._namespace, meta["name"], grace=grace, uid=meta["uid"]
            )
        except ApiRefusal as refusal:
            raise Unavailable(told(refusal, self._namespace)) from None
        if len(self._ending) > 10_000:
            self._ending.clear()
        self._ending[meta["uid"]] = grace

    async def _printed(self, pod: Object, tail: int) -> list[str]:
        """Of containers whose agent does not tell it."""
        name, lines = pod["metadata"]["name"], list[str]()
        has_server = any(each["name"] == SERVER for each in pod["spec"]["containers"])
        node = seen_of(pod)
        if has_server:
            text = await self._api.log(
                self._namespace, name, container=SERVER, tailLines=str(tail), timestamps="true"
            )
            parts = (line.partition(" ") for line in text.splitlines())
            lines += [f"{time[:23]}Z {node.id} - {said}" for time, _, said in parts]
        if node.state is NodeState.ENDED or name in self._known.gone:
            about = {"container": AGENT, "tailLines": str(tail)}
            text = await self._api.log(self._namespace, name, **about)
            if not text.strip():
                text = await self._api.log(self._namespace, name, **about, previous="true")
            lines += text.splitlines()
            lines.append((node.reason or "").partition("\n")[0])
        return lines

    async def _events(self, group: str) -> list[str]:
        """What the cluster has said of its pods that is more than usual."""
        _, view = await self._here()
        try:
            return await view.warnings(group)
        except (ApiRefusal, Unavailable) as error:
            _log.info("The events of %s are not shown: %s", group, error)
            return []


def _replicas(deployment: Object) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _image_of(deployment: Object | None, group: NodeGroup) -> ProgramImage | None:
    """What it was made from at this very attempt: another host, or an image on a newer base, is no
    reason to begin all pods anew."""
    if deployment is None:
        return None
    made: Mapping[str, str] = deployment["metadata"].get("annotations") or {}
    if made.get(labels.ATTEMPT) != str(group.attempt):
        return None
    try:
        return ProgramImage(**json.loads(made[labels.IMAGE]))
    except (KeyError, ValueError, TypeError):
        return None
