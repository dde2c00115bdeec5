"""What a Functions host's probes are told."""

import pytest

from domain.errors import Unavailable
from domain.ports import Document
from domain.usage.readiness import Readiness
from handlers import health
from handlers.http import Routes
from tests.handlers.conftest import OpenClient
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


class StoreThatIsOut(MemoryResourceStore):
    async def get(self, partition: str, id: str) -> Document:
        raise Unavailable("It is out.")


@pytest.mark.parametrize(("store", "ready"), [(MemoryResourceStore, 200), (StoreThatIsOut, 503)])
async def test_a_host_without_its_store_is_healthy_but_not_ready(
    routes: Routes, open_client: OpenClient, store: type[MemoryResourceStore], ready: int
) -> None:
    clock = HeldClock()
    door = open_client(health.blueprint(routes, Readiness(store(clock.unix), clock)))
    for method in ("GET", "HEAD"):
        healthy = await door.request(method, "/healthz", headers={"authorization": ""})
        assert healthy.status_code == 200
        assert healthy.headers["cache-control"] == "no-store"
        assert (await door.request(method, "/readyz")).status_code == ready
    assert (await door.get("/readyz")).text == ("Ready" if ready == 200 else "Not ready")
