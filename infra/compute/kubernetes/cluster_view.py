"""What an installation has in a namespace of a cluster, as it is now, or was a moment ago."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from infra.compute.kubernetes import names as labels
from infra.compute.kubernetes.api.kubernetes_api import (
    DEPLOYMENTS,
    EVENTS,
    PODS,
    SLICES,
    Kind,
    KubernetesApi,
    Object,
)
from infra.compute.kubernetes.api.listing import Listing
from infra.compute.kubernetes.api.reflection import Reflection

_MOST_EVENTS: Final = 20


class ClusterView:
    """Everything raises ApiRefusal where it may not be seen, and Unavailable."""

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str,
        selector: str,
        *,
        listed_every: float | None,
    ) -> None:
        """Watched where `listed_every` is None; else listed, as many seconds apart at least."""
        self._api = api
        self._namespace = namespace

        def part(kind: Kind) -> Reflection | Listing:
            if listed_every is None:
                return Reflection(api, kind, namespace, selector)
            return Listing(api, kind, namespace, selector, listed_every)

        self._deployments, self._pods, self._slices = part(DEPLOYMENTS), part(PODS), part(SLICES)
        self.has_seen_pods = False

    async def check(self) -> None:
        """Whether all of it may be seen."""
        for each in (self._deployments, self._pods, self._slices):
            await each.objects()

    async def deployments(self) -> Mapping[str, Object]:
        """By group, but for those that are going."""
        return {
            each["metadata"]["labels"][labels.GROUP]: each
            for each in await self._deployments.objects()
            if not each["metadata"].get("deletionTimestamp")
        }

    def learn(self, deployment: Object) -> None:
        self._deployments.learn(deployment)

    async def pods(self) -> Sequence[Object]:
        found = await self._pods.objects()
        self.has_seen_pods |= bool(found)
        return found

    async def addresses(self) -> Mapping[str, str]:
        """Of pods, by their names, as `host:port`."""
        found = {}
        for each in await self._slices.objects():
            ports = [port["port"] for port in each.get("ports") or [] if port.get("port")]
            for endpoint in each.get("endpoints") or []:
                target = endpoint.get("targetRef") or {}
                if ports and endpoint.get("addresses") and target.get("kind") == "Pod":
                    found[target["name"]] = f"{endpoint['addresses'][0]}:{ports[0]}"
        return found

    async def warnings(self, group: str) -> list[str]:
        """The last ones that the cluster has about a group's pods, oldest first."""
        pods = {
            each["metadata"]["name"]
            for each in await self.pods()
            if each["metadata"]["labels"][labels.GROUP] == group
        }
        listed = await self._api.list(EVENTS, self._namespace, {"fieldSelector": "type=Warning"})
        about = [e for e in listed.items if e.get("involvedObject", {}).get("name") in pods]
        about.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
        return [
            f"{each['involvedObject']['name']}: {each.get('reason')}: {each.get('message')}"
            for each in about[-_MOST_EVENTS:]
        ]

    async def close(self) -> None:
        every = (self._deployments, self._pods, self._slices)
        await asyncio.gather(*(each.close() for each in every))
