"""Which clients stand, on the issuer's own host and on others that take its tokens."""

from pathlib import Path

import pytest

from domain.errors import Unavailable
from infra.embedded.access.clients import ClientRegistry
from infra.embedded.access.standing import FollowedStanding, OwnStanding, TellingStanding
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

ISSUER = "https://127.0.0.1:7443"


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def registry(tmp_path: Path) -> ClientRegistry:
    return ClientRegistry(tmp_path)


@pytest.fixture
def own(registry: ClientRegistry, clock: HeldClock) -> OwnStanding:
    return OwnStanding(registry, clock.unix)


def version(registry: ClientRegistry, name: str) -> tuple[str, str]:
    client = registry.find(name)
    assert client is not None
    return client.client_id, client.version


async def test_a_client_holds_until_it_is_changed_or_removed(
    registry: ClientRegistry, own: OwnStanding
) -> None:
    registry.add("owner", "owner")
    registry.add("ci", "reader")
    ci = version(registry, "ci")
    assert await own.holds(*ci)
    assert await own.holds(ci[0], "")
    assert not await own.holds("somebody", "")
    registry.change_role("ci", "contributor")
    assert not await own.holds(*ci)
    ci = version(registry, "ci")
    assert await own.holds(*ci)
    registry.renew("ci")
    assert not await own.holds(*ci)
    ci = version(registry, "ci")
    registry.remove("ci")
    assert not await own.holds(*ci)
    assert not await own.holds(ci[0], "")


async def test_what_was_taken_on_trust_is_not_any_more_after_a_change(
    registry: ClientRegistry, own: OwnStanding, clock: HeldClock
) -> None:
    registry.add("ci", "reader")
    before = own.epoch
    clock.move(1)
    assert own.epoch == before
    registry.add("other", "reader")
    clock.move(1)
    assert own.epoch != before


async def test_clients_that_cannot_be_read_stand_for_nothing(
    registry: ClientRegistry, own: OwnStanding
) -> None:
    registry.file.write_text("{")
    with pytest.raises(Unavailable):
        await own.holds("somebody", "")


@pytest.fixture
def store(clock: HeldClock) -> MemoryResourceStore:
    return MemoryResourceStore(clock.unix)


async def test_a_file_that_cannot_be_opened_is_told_as_one_that_cannot_be_read(
    registry: ClientRegistry, own: OwnStanding
) -> None:
    registry.file.mkdir()
    with pytest.raises(Unavailable, match="clients cannot be read"):
        await own.versions()


async def test_another_host_hears_of_a_change(
    store: MemoryResourceStore, registry: ClientRegistry, own: OwnStanding, clock: HeldClock
) -> None:
    telling, followed = (
        TellingStanding(store, ISSUER, own),
        FollowedStanding(store, ISSUER, clock.unix),
    )
    registry.add("ci", "reader")
    await telling.tell()
    ci = version(registry, "ci")
    assert await followed.holds(*ci)
    epoch = followed.epoch
    registry.change_role("ci", "contributor")
    await telling.tell()
    assert followed.epoch == epoch
    clock.move(2)
    assert followed.epoch != epoch
    assert not await followed.holds(*ci)
    assert await followed.holds(*version(registry, "ci"))
    registry.add("other", "reader")
    await telling.tell()
    clock.move(2)
    assert await followed.holds(*version(registry, "other"))


async def test_of_an_issuer_that_tells_nothing_every_client_stands(
    store: MemoryResourceStore, clock: HeldClock
) -> None:
    assert await FollowedStanding(store, ISSUER, clock.unix).holds("anybody", "")


async def test_a_host_that_cannot_ask_trusts_nothing_for_longer(
    store: MemoryResourceStore, clock: HeldClock
) -> None:
    followed = FollowedStanding(store, ISSUER, clock.unix)
    await followed.holds("anybody", "")
    epoch = followed.epoch
    clock.move(1)
    assert followed.epoch == epoch
    clock.move(1)
    assert followed.epoch != epoch
