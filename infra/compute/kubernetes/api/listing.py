"""A part of a cluster as it was when it was last asked, for hosts that hold no watch."""

import asyncio
import time
from collections.abc import Callable, Sequence

from infra.compute.kubernetes.api.kubernetes_api import Kind, KubernetesApi, Object


class Listing:
    """Listed anew by whoever asks `period` seconds later, and by nobody else: while nobody asks,
    the cluster is left alone."""

    def __init__(
        self,
        api: KubernetesApi,
        kind: Kind,
        namespace: str,
        selector: str,
        period: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._query = {"labelSelector": selector}
        self._period = period
        self._now = now
        self._objects: dict[str, Object] = {}
        self._listed_at: float | None = None
        self._turn = asyncio.Lock()

    async def objects(self) -> Sequence[Object]:
        """Raises Unavailable, and ApiRefusal where it may not be seen."""
        async with self._turn:
            if self._listed_at is None or self._now() - self._listed_at >= self._period:
                listed = await self._api.list(self._kind, self._namespace, self._query)
                self._objects = {each["metadata"]["name"]: each for each in listed.items}
                self._listed_at = self._now()
        return list(self._objects.values())

    def learn(self, object: Object) -> None:
        """What a call of this host's own has answered."""
        self._objects[object["metadata"]["name"]] = object

    async def close(self) -> None:
        """Nothing is open."""
