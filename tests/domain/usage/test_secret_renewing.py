"""Keys of an installation, one after the other, and what was sealed with them."""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.application import Application
from domain.assets.packages.connection import (
    AuthType,
    Category,
    ConnectionCredentials,
    ConnectionProperties,
)
from domain.errors import Invalid
from domain.events.event_subscription import (
    Destination,
    DestinationProperties,
    EndpointType,
    EventSubscriptionProperties,
)
from domain.ground.access import AuthMode
from domain.ground.resource import Wanted
from domain.ports import Create, Document, Page, ResourceStore, Write
from domain.usage.secret_renewing import ID, PARTITION, SEALED, SecretRenewing
from infra.cloud.cipher import SettingCipher
from infra.compute.remote import ready_nodes
from infra.compute.remote.ready_nodes import ReadyNodes
from tests.kit.composed import composed
from tests.kit.stages.provisioning_stage import ANY, CALLER, ProvisioningStage, opened

OLD, NEW, OTHER = "old-" * 10, "new-" * 10, "other-" * 10


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    async with opened(tmp_path) as stage:
        yield stage


def host(stage: ProvisioningStage, keys: str, **others: Any) -> Application:
    """One whose setting has these keys."""
    services = replace(stage.adapters, cipher=SettingCipher(keys), **others)
    return composed(services, base_url=stage.base_url)


async def seal_something(stage: ProvisioningStage, keys: str) -> None:
    """One of each, by a host with these keys. Its names and tags are nobody's secrets."""
    here = host(stage, keys)
    stage.live(here)
    await stage.put_endpoint("keyed")
    await stage.put_endpoint("signed", auth_mode=AuthMode.AML_TOKEN)
    await stage.settle()
    destination = Destination(
        endpoint_type=EndpointType.WEB_HOOK,
        properties=DestinationProperties(endpoint_url="https://hooks.example/events"),
    )
    await here.events.subscriptions.put(
        "sub",
        Wanted(
            properties=EventSubscriptionProperties(destination=destination),
            tags={"sealed_key": "a user's own word"},
        ),
        CALLER,
        ANY,
    )
    await here.events.subscriptions.regenerate_key("sub", CALLER)
    connection = ConnectionProperties(
        category=Category.PYTHON_FEED,
        target="https://pkgs.example/simple",
        auth_type=AuthType.PAT,
        credentials=ConnectionCredentials(pat="a pat"),
    )
    await here.assets.connections.put("feed", Wanted(properties=connection), CALLER, ANY)
    secret = SettingCipher(keys).encrypt("the nodes' own")
    body = ready_nodes.body_of({"blue": ReadyNodes(secret, (("node", "10.0.0.1:80"),))})
    await stage.store.transact("nodes", [Create("ready", body)])


async def told(here: Application) -> list[object]:
    """Every secret, as who may ask is told it."""
    return [
        await here.online.keys.keys("keyed"),
        await here.events.subscriptions.keys("sub"),
    ]


async def stored(stage: ProvisioningStage) -> str:
    kinds = [*SEALED, *ready_nodes.SEALED]
    found = [(await stage.store.query(kind)).documents for kind in kinds]
    return json.dumps([document.body for page in found for document in page])


async def test_after_a_rotation_nothing_needs_the_key_before(
    stage: ProvisioningStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await seal_something(stage, OLD)
    before = await told(host(stage, OLD))
    both = host(stage, f"{NEW},{OLD}")
    assert await both.usage.renewing.renew() == 5
    assert await told(host(stage, NEW)) == before
    assert await host(stage, NEW).usage.renewing.renew() == 0
    feed = await stage.store.query("connection")
    [sealed] = [each.body["resource"]["sealed_credentials"] for each in feed.documents]
    assert "a pat" in SettingCipher(NEW).decrypt(sealed)
    known = await stage.store.get("nodes", "ready")
    assert SettingCipher(NEW).decrypt(known.body["deployments"]["blue"]["secret"])
    assert "a user's own word" in await stored(stage)


async def test_what_is_sealed_says_by_which_key(stage: ProvisioningStage) -> None:
    """Once there are several. While there is one, nothing that v0.1.0 could not read is written."""
    await seal_something(stage, OLD)
    assert "sealed_by" not in await stored(stage)
    old = SettingCipher(f"{OLD},{NEW}").key_id
    new = SettingCipher(f"{NEW},{OLD}").key_id
    assert old != new
    await host(stage, f"{NEW},{OLD}").usage.renewing.renew()
    text = await stored(stage)
    assert text.count(f'"sealed_by": "{new}"') == 7
    assert OLD not in text
    assert NEW not in text


async def test_it_is_done_once_a_look_finds_nothing_left(
    stage: ProvisioningStage, caplog: pytest.LogCaptureFixture
) -> None:
    """A host that has the last key in front may seal something after the first look."""
    caplog.set_level(logging.INFO)
    await seal_something(stage, OLD)
    both = host(stage, f"{NEW},{OLD}")
    await both.usage.renewing.renew()
    late = host(stage, OLD)
    stage.live(late)
    await stage.put_endpoint("late")
    await stage.settle()
    assert "earlier keys can be taken away" not in caplog.text
    assert await both.usage.renewing.renew() == 1
    assert await both.usage.renewing.renew() == 0
    assert "earlier keys can be taken away" in caplog.text
    mark = await stage.store.get(PARTITION, ID)
    assert await both.usage.renewing.renew() == 0
    assert await stage.store.get(PARTITION, ID) == mark


class OvertakenStore(ResourceStore):
    """In which somebody else changes an endpoint just before each of its first two renewals."""

    def __init__(self, stage: ProvisioningStage) -> None:
        self._stage = stage
        self.times = 0

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        [write] = writes
        kind = getattr(write, "body", {}).get("kind")
        if kind == "onlineEndpoint" and self.times < 2:
            self.times += 1
            await self._stage.put_endpoint("keyed", description=f"change {self.times}")
            await self._stage.settle()
        return await self._stage.store.transact(partition, writes)

    async def get(self, partition: str, id: str) -> Document:
        return await self._stage.store.get(partition, id)

    async def query(self, kind: str, **more: Any) -> Page:
        return await self._stage.store.query(kind, **more)

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        return await self._stage.store.due(before, limit=limit)


async def test_who_changes_an_endpoint_meanwhile_loses_nothing(stage: ProvisioningStage) -> None:
    stage.live(host(stage, OLD))
    await stage.put_endpoint("keyed")
    await stage.settle()
    stage.live(host(stage, f"{NEW},{OLD}"))
    store = OvertakenStore(stage)
    assert await SecretRenewing(store, SettingCipher(f"{NEW},{OLD}"), {}).renew() == 1
    assert store.times == 2
    assert "change 2" in await stored(stage)
    assert await host(stage, NEW).online.keys.keys("keyed")


async def test_what_no_key_opens_is_told_and_left(
    stage: ProvisioningStage, caplog: pytest.LogCaptureFixture
) -> None:
    await seal_something(stage, OLD)
    await host(stage, f"{NEW},{OTHER}").usage.renewing.renew()
    assert "secrets cannot be opened with any key" in caplog.text
    assert await told(host(stage, OLD))
    with pytest.raises(Invalid, match="nor with another that it has"):
        await told(host(stage, NEW))


async def test_an_installation_whose_key_is_one_for_good_looks_at_nothing(
    stage: ProvisioningStage,
) -> None:
    await stage.put_endpoint("keyed")
    await stage.settle()
    assert await stage.application.usage.renewing.renew() == 0
    assert "sealed_by" not in await stored(stage)
