"""The app behind its door, with instances that run for as long as a test says."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.http import Routes
from infra.compute.local.instances.life_meter import LifeMeter, Payer
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.clocks import HeldClock
from tests.kit.composed import RoleVerifier
from tests.kit.stages import provisioning_stage

QUERY = "providers/Microsoft.CostManagement/query"
DAY = {"timeframe": "Custom", "timePeriod": {"from": "2026-01-02", "to": "2026-01-02"}}


@dataclass
class Metered:
    plane: ControlPlane
    meter: LifeMeter

    def runs(self, key: str, seconds: float, amount: float = 1.0) -> None:
        life = self.meter.begin(Payer(lambda: key, amount))
        self.plane.stage.clock.move(seconds)
        life.end()

    async def query(self, role: str = "owner", **dataset: Any) -> list[list[Any]]:
        reply = await self.plane.client(role).post(QUERY, {**DAY, "dataset": dataset})
        assert reply.status_code == 200, reply.text
        rows: list[list[Any]] = reply.json()["properties"]["rows"]
        return rows


@pytest.fixture
async def metered(tmp_path: Path, routes: Routes) -> AsyncIterator[Metered]:
    clock = HeldClock()
    meter = LifeMeter(clock.unix)
    verifier = RoleVerifier()
    async with (
        provisioning_stage.opened(
            tmp_path, clock, base_url=BASE_URL, verifier=verifier, meter=meter
        ) as stage,
        AsyncExitStack() as closing,
    ):
        yield Metered(ControlPlane(stage, routes, closing), meter)
