"""Where a scoring request may go: each endpoint's route, held in memory.

A route is used as it is for 1 s after it was read; for 1 more second it is used while it is
read anew behind the request; after that a request waits for the reading. So whatever
changes (a key is revoked, traffic moves) holds in every gateway for requests that come 2 s later.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from domain.errors import DocumentNotFound, Throttled, Unavailable
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import from_document
from domain.names import endpoint_name_fault
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import Clock, Document, ResourceStore
from domain.scoring.route import DeploymentRoute, Route

_log = logging.getLogger(__name__)

FRESH = timedelta(seconds=1)
USABLE = timedelta(seconds=2)
ABSENT_CAPACITY = 10_000

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

V = TypeVar("V")


class _Reading:
    """What one look at the store showed; `route` None: there is no such endpoint."""

    __slots__ = ("begun", "fresh_until", "route", "usable_until")

    def __init__(self, route: Route | None, begun: datetime) -> None:
        self.route = route
        self.begun = begun
        self.fresh_until = begun + FRESH
        self.usable_until = begun + USABLE

    def usable(self, now: datetime) -> bool:
        # A clock set back must not make a route last longer.
        return self.begun <= now < self.usable_until


class _Recent(Generic[V]):
    """At most `capacity` entries; the least recently used goes first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: str, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)


class RouteTable:
    """Routes by endpoint name, in any case. One event loop owns it.

    At most `capacity` routes are kept, and apart from them the names lately asked for that
    no endpoint has, so that probing neither reads the store again nor pushes a route out.
    One reading may take `read_limit` seconds; with it, `refresh` has whoever serves look who
    takes the requests of the deployments by their workloads' keys.
    """

    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        *,
        capacity: int = 20_000,
        read_limit: float,
        refresh: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._refresh = refresh
        self._clock = clock
        self._read_limit = read_limit
        self._known: _Recent[_Reading] = _Recent(capacity)
        self._absent: _Recent[_Reading] = _Recent(ABSENT_CAPACITY)
        self._readings: dict[str, asyncio.Task[_Reading]] = {}

    async def find(self, endpoint: str) -> Route | None:
        """The endpoint's route as it was at most 2 s before this was asked; None if there is no
        such endpoint or it is being deleted. Raises Unavailable when the store cannot tell."""
        key = endpoint.casefold()
        last = self._known.get(key) or self._absent.get(key)
        if last is not None:
            now = self._clock.now()
            if last.usable(now):
                if now >= last.fresh_until:
                    self._read_behind(key)
                return last.route
        elif endpoint_name_fault(endpoint):
            return None
        return await self._wait(key)

    def invalidate(self, endpoint: str) -> None:
        """Forget the endpoint: this process has just changed it, or one of its deployments."""
        key = endpoint.casefold()
        before = self._known.get(key)
        if before is not None:
            # Kept for its turn in the split, but never to be used unread.
            self._known.put(key, _Reading(before.route, _LONG_AGO))
        self._absent.drop(key)
        # A reading under way may have seen what was there before.
        self._readings.pop(key, None)

    async def _wait(self, key: str) -> Route | None:
        under_way = self._readings.get(key)
        if under_way is not None:
            reading = await _result(under_way)
            # What joining a slow one gives may be too old already.
            if reading.usable(self._clock.now()):
                return reading.route
        # It shows what there was when this was asked for, or later, however slow all is here.
        return (await _result(self._read_behind(key))).route

    def _read_behind(self, key: str) -> asyncio.Task[_Reading]:
        task = self._readings.get(key)
        if task is None:
            task = self._readings[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(partial(self._ended, key))
        return task

    def _ended(self, key: str, task: asyncio.Task[_Reading]) -> None:
        if task.cancelled() or task.exception() is not None:
            if self._readings.get(key) is task:
                del self._readings[key]
            if not task.cancelled():
                _log.warning("The route of %s could not be read: %r", key, task.exception())
            return
        if self._readings.get(key) is not task:
            return
        del self._readings[key]
        reading = task.result()
        here, there = self._known, self._absent
        if reading.route is None:
            here, there = there, here
        here.put(key, reading)
        there.drop(key)

    async def _read(self, key: str) -> _Reading:
        begun = self._clock.now()
        last = self._known.get(key)
        before = last.route if last else None
        async with asyncio.timeout(self._read_limit):
            try:
                document = await self._store.get(
                    online_endpoint.partition(key), online_endpoint.DOCUMENT_ID
                )
            except DocumentNotFound:
                return _Reading(None, begun)
            # Deployments change only together with their endpoint's document.
            is_same = before is not None and before.etag == document.etag
            route = before if is_same else await self._build(document, before)
            if route is not None:
                await self._refresh([each.workload_key for each in route.deployments.values()])
            return _Reading(route, begun)

    async def _build(self, document: Document, before: Route | None) -> Route | None:
        endpoint = from_document(OnlineEndpoint, document)
        if endpoint.provisioning_state is ProvisioningState.DELETING:
            return None
        deployments: dict[str, DeploymentRoute] = {}
        continuation: str | None = None
        while True:
            page = await self._store.query(
                online_deployment.KIND, partition=document.partition, continuation=continuation
            )
            for found in page.documents:
                deployment = from_document(OnlineDeployment, found)
                if deployment.provisioning_state is not ProvisioningState.DELETING:
                    deployments[deployment.name.casefold()] = DeploymentRoute(deployment)
            continuation = page.continuation
            if continuation is None:
                return Route(endpoint, document.etag, deployments, before)


async def _result(reading: "asyncio.Task[_Reading]") -> _Reading:
    """What it shows; who gives up does not end it for the others. Raises Unavailable."""
    try:
        return await asyncio.shield(reading)
    except (TimeoutError, Throttled, Unavailable) as error:
        raise Unavailable("The endpoint's route cannot be read now; try again.") from error
