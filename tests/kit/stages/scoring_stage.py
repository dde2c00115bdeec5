"""What tests of the scoring path stand on: endpoints in a real store, and instances whose
answers are scripted."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from domain.errors import DocumentNotFound, Unauthenticated, Unavailable
from domain.ground.access import AuthMode
from domain.ground.keys import KeyType, SealedKeys
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Sku, from_document, to_body
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import (
    OnlineDeployment,
    OnlineDeploymentProperties,
    RequestSettings,
)
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.ports import (
    Create,
    Delete,
    Document,
    Page,
    Principal,
    Replace,
    ResourceStore,
    Scorer,
    Serving,
    TokenVerifier,
    Write,
)
from domain.scoring.exchange_taps import Tap, Taps
from domain.scoring.instance_asking import Awakening, InstanceAsking
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import Listener
from domain.scoring.route import DeploymentRoute
from domain.scoring.scoring_access import ScoringAccess
from tests.kit.clocks import START, HeldClock
from tests.kit.composed import PlainCipher

PRIMARY = "primary-key-of-this-test"
SECONDARY = "secondary-key-of-this-test"
NOW = START


class WatchedStore(ResourceStore):
    """A store that counts its reads, and those under way, and can be made to fail or to wait."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self.gets = 0
        self.queries = 0
        self.under_way = 0
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, partition: str, id: str) -> Document:
        self.gets += 1
        async with self._passed():
            return await self._store.get(partition, id)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        return await self._store.transact(partition, writes)

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        self.queries += 1
        async with self._passed():
            return await self._store.query(
                kind,
                partition=partition,
                where=where,
                page_size=page_size,
                continuation=continuation,
                descending=descending,
            )

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        return await self._store.due(before, limit=limit)

    @asynccontextmanager
    async def _passed(self) -> AsyncIterator[None]:
        self.under_way += 1
        try:
            await self.gate.wait()
            if self.broken:
                raise Unavailable("The store is away.")
            yield
        finally:
            self.under_way -= 1


class Endpoints:
    """Writes endpoints the way provisioning does: a deployment never without its endpoint."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def put(
        self,
        name: str,
        traffic: Mapping[str, int],
        *,
        auth_mode: AuthMode = AuthMode.KEY,
        state: ProvisioningState = ProvisioningState.SUCCEEDED,
        keys: SealedKeys | None = None,
    ) -> None:
        endpoint = OnlineEndpoint(
            name=name,
            location="local",
            properties=OnlineEndpointProperties(auth_mode=auth_mode, traffic=dict(traffic)),
            sealed_keys=keys or SealedKeys.generate(PlainCipher(), PRIMARY, SECONDARY),
            provisioning_state=state,
            created_at=NOW,
            created_by="a test",
            modified_at=NOW,
            modified_by="a test",
        )
        await self._write(
            name, online_endpoint.DOCUMENT_ID, to_body(online_endpoint.KIND, endpoint)
        )

    async def put_deployment(
        self,
        endpoint: str,
        name: str,
        *,
        timeout: float = 300.0,
        max_concurrent: int = 1,
        state: ProvisioningState = ProvisioningState.SUCCEEDED,
        may_sleep: bool = False,
    ) -> None:
        deployment = OnlineDeployment(
            name=name,
            endpoint=endpoint,
            location="local",
            properties=OnlineDeploymentProperties(
                request_settings=RequestSettings(
                    request_timeout=timedelta(seconds=timeout),
                    max_concurrent_requests_per_instance=max_concurrent,
                )
            ),
            provisioning_state=state,
            sku=Sku(capacity=0 if may_sleep else 1),
            created_at=NOW,
            created_by="a test",
            modified_at=NOW,
            modified_by="a test",
        )
        await self._write(
            endpoint,
            online_deployment.document_id(name),
            to_body(online_deployment.KIND, deployment),
        )
        await self.change(endpoint)

    async def change(self, name: str, **properties: Any) -> None:
        """Give the endpoint other properties, if any, and a new route version."""
        endpoint = await self._endpoint(name)
        await self._save(
            endpoint.but(
                properties={**dict(iter(endpoint.properties)), **properties},
                route_version=endpoint.route_version + 1,
            )
        )

    async def rotate(self, name: str, which: KeyType, key: str) -> None:
        endpoint = await self._endpoint(name)
        keys = endpoint.sealed_keys.regenerated(which, PlainCipher(), key)
        await self._save(endpoint.but(sealed_keys=keys, route_version=endpoint.route_version + 1))

    async def move(self, name: str, state: ProvisioningState) -> None:
        await self._save((await self._endpoint(name)).but(provisioning_state=state))

    async def delete(self, name: str) -> None:
        partition = online_endpoint.partition(name)
        await self._store.transact(partition, [Delete(online_endpoint.DOCUMENT_ID)])

    async def _endpoint(self, name: str) -> OnlineEndpoint:
        partition = online_endpoint.partition(name)
        document = await self._store.get(partition, online_endpoint.DOCUMENT_ID)
        return from_document(OnlineEndpoint, document)

    async def _save(self, endpoint: OnlineEndpoint) -> None:
        body = to_body(online_endpoint.KIND, endpoint)
        await self._write(endpoint.name, online_endpoint.DOCUMENT_ID, body)

    async def _write(self, endpoint: str, id: str, body: dict[str, Any]) -> None:
        partition = online_endpoint.partition(endpoint)
        try:
            await self._store.transact(partition, [Replace(id, body, None)])
        except DocumentNotFound:
            await self._store.transact(partition, [Create(id, body)])


class NoTokens(TokenVerifier):
    """For endpoints in key mode: nobody has a token."""

    async def verify(self, token: str) -> Principal:
        raise Unauthenticated("Not a token of this test's.")


class NothingWakes(Awakening):
    """Where no instance is ready, none will be."""

    @asynccontextmanager
    async def turn(self, endpoint: str, deployment: DeploymentRoute) -> AsyncIterator[None]:
        yield


def scoring_on(
    routes: RouteTable,
    serving: Serving,
    scorer: Scorer,
    *listeners: Listener,
    taps: Sequence[Tap] = (),
    instances: InstanceChoice | None = None,
    awakening: Awakening | None = None,
    max_request_bytes: int = 100 * 2**20,
) -> OnlineScoring:
    """The scoring path over endpoints in key mode."""
    access = ScoringAccess(PlainCipher(), HeldClock(), NoTokens())
    chosen = instances or InstanceChoice(serving, Outliers())
    asking = InstanceAsking(scorer, chosen, awakening or NothingWakes())
    return OnlineScoring(
        routes, access, asking, Taps(listeners, taps), max_request_bytes=max_request_bytes
    )
