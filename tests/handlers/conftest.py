"""The app's HTTP door without a socket: blueprints behind the embedded host's own ASGI app.

client = open_client(assets.blueprint(routes, registration))
reply = await client.get(f"{scope.id}/models")
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func
import httpx
import pytest

from domain.ledger.cost_estimating import CostEstimating
from domain.ledger.price_sheets import PriceSheets
from domain.ledger.what_if import WhatIf
from domain.names import WorkspaceScope
from handlers.addresses import Addresses
from handlers.http import Routes
from handlers.what_if import Trying
from infra.embedded.host.functions import index
from infra.embedded.host.http_app import HttpApp
from infra.web.client_address import TrustedProxies
from tests.handlers.described_answers import described
from tests.kit.arm_client import ArmClient
from tests.kit.clocks import HeldClock
from tests.kit.composed import RoleVerifier, admission
from tests.kit.computes import AnyCapabilities
from tests.kit.stages import provisioning_stage
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.stages.provisioning_stage import ProvisioningStage
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

BASE_URL = "http://testserver"

OpenClient = Callable[..., httpx.AsyncClient]
"""Takes blueprints; `role` (owner unless told; None sends no token) is the caller's."""


@pytest.fixture
def scope() -> WorkspaceScope:
    return WorkspaceScope("00000000-0000-0000-0000-000000000000", "group", "workspace")


@pytest.fixture
def routes(scope: WorkspaceScope) -> Routes:
    store = MemoryResourceStore(HeldClock().unix)
    what_if = WhatIf(CostEstimating(PriceSheets(store), AnyCapabilities()))
    admitted = admission(RoleVerifier(), store, Trying(what_if, scope).answer)
    addresses = Addresses(BASE_URL, None, TrustedProxies((), "x-forwarded"), None)
    return Routes(admitted, admitted, scope, addresses)


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    """Clients of an app made of the given blueprints; closed when the test ends."""
    async with AsyncExitStack() as stack:

        def opened(*blueprints: func.Blueprint, role: str | None = "owner") -> httpx.AsyncClient:
            app = func.FunctionApp()
            for blueprint in blueprints:
                app.register_functions(blueprint)
            asgi: Any = HttpApp(
                index(app, {}),
                exact={},
                prefixes=(),
                scripts=NO_SCRIPTS,
                route_prefix="",
                log_requests=False,
            )
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(asgi),
                base_url=BASE_URL,
                headers={"Authorization": f"Bearer {role}"} if role else {},
                timeout=PATIENCE,
            )
            client.event_hooks["response"] = [described]
            stack.push_async_callback(client.aclose)
            return client

        yield opened


@dataclass(frozen=True)
class ControlPlane:
    """The whole app behind its door, on a compute that is told."""

    stage: ProvisioningStage
    routes: Routes
    closing: AsyncExitStack

    def client(self, role: str | None = "owner") -> ArmClient:
        headers = {"Authorization": f"Bearer {role}"} if role else {}
        http = self.stage.host.client(BASE_URL, headers=headers)
        http.event_hooks["response"] = [described]
        self.closing.push_async_callback(http.aclose)
        return ArmClient(http, self.routes.scope.id, self.stage.turn)


@pytest.fixture
async def plane(tmp_path: Path, routes: Routes) -> AsyncIterator[ControlPlane]:
    verifier = RoleVerifier()
    async with (
        provisioning_stage.opened(tmp_path, base_url=BASE_URL, verifier=verifier) as stage,
        AsyncExitStack() as closing,
    ):
        yield ControlPlane(stage, routes, closing)
