"""Nodes in several namespaces of a cluster: the installation's own, and those that are attached."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from domain.errors import Unavailable
from domain.ports import Program
from infra.compute.gateway import Gateway
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.namespaces.known_namespaces import KnownNamespaces
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, Progress

T = TypeVar("T")
_log: Final = logging.getLogger("ml_endpoints.kubernetes")


class ClusterFleet(Fleet):
    """Each namespace by a fleet that `at` gives; those that have, or may have, something are
    `known`, and no other is asked. One that can no longer be seen shows what was there before, so
    that it keeps nobody from the others."""

    def __init__(
        self, at: Callable[[str], KubernetesFleet], own: str, known: KnownNamespaces
    ) -> None:
        self._at = at
        self._own = own
        self._known = known
        self._fleets: dict[str, KubernetesFleet] = {}
        self._nodes: dict[str, Sequence[Node]] = {}
        self._groups: dict[str, Sequence[str]] = {}

    async def apply(self, group: NodeGroup, count: int) -> Progress:
        namespace = self._of(group.program)
        await self._known.add(namespace)
        return await self._fleet(namespace).apply(group, count)

    async def nodes(self) -> Sequence[Node]:
        seen = await self._seen(lambda fleet: fleet.nodes(), self._nodes)
        return [node for nodes in seen.values() for node in nodes]

    async def groups(self) -> Sequence[str]:
        seen = await self._seen(lambda fleet: fleet.groups(), self._groups)
        return sorted({group for groups in seen.values() for group in groups})

    async def replace(self, node: Node, reason: str) -> None:
        await self._fleet(self._where(node.group)).replace(node, reason)

    async def explain(self, node: Node) -> str | None:
        return await self._fleet(self._where(node.group)).explain(node)

    async def logs(self, group: str, *, tail: int) -> str:
        every = [self._fleet(each) for each in await self._known.all()]
        found = await asyncio.gather(*(fleet.logs(group, tail=tail) for fleet in every))
        return "\n".join(each for each in found if each)

    async def story(self, group: str, program: Program, *, tail: int) -> str:
        return await self._fleet(self._of(program)).story(group, program, tail=tail)

    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        """In all of them: no host need know where it was."""
        over = True
        for namespace in await self._known.all():
            over &= await self._fleet(namespace).delete(group, linger=linger, grace=grace)
            if over and not await self._fleet(namespace).groups():
                await self._known.drop(namespace)
        return over

    async def networks(self) -> Sequence[Gateway]:
        return await self._fleet(self._own).networks()

    async def gateway(self) -> Gateway:
        return await self._fleet(self._own).gateway()

    async def close(self) -> None:
        self._fleet(self._own)
        await asyncio.gather(*(fleet.close() for fleet in self._fleets.values()))

    # -- inside

    def _of(self, program: Program) -> str:
        place = program.size.place
        return (place.namespace if place is not None else None) or self._own

    def _where(self, group: str) -> str:
        """As it was seen last."""
        for namespace, nodes in self._nodes.items():
            if any(node.group == group for node in nodes):
                return namespace
        return self._own

    def _fleet(self, namespace: str) -> KubernetesFleet:
        if namespace not in self._fleets:
            self._fleets[namespace] = self._at(namespace)
        return self._fleets[namespace]

    async def _seen(
        self,
        look: Callable[[KubernetesFleet], Awaitable[Sequence[T]]],
        before: dict[str, Sequence[T]],
    ) -> Mapping[str, Sequence[T]]:
        """By namespace; kept in `before`."""
        namespaces = await self._known.all()
        found = await asyncio.gather(
            *(look(self._fleet(each)) for each in namespaces), return_exceptions=True
        )
        for gone in set(before) - set(namespaces):
            del before[gone]
        blind = [each for each in found if isinstance(each, Unavailable)]
        for namespace, each in zip(namespaces, found, strict=True):
            if isinstance(each, Unavailable):
                if namespace not in before or len(blind) == len(namespaces):
                    raise each
                _log.warning("Namespace %s cannot be seen: %s", namespace, each.message)
            elif isinstance(each, BaseException):
                raise each
            else:
                before[namespace] = each
        return before
