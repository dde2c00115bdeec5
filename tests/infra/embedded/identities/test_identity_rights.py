"""What identities may is looked up with every use, and no look is older than two seconds."""

from datetime import UTC, datetime

import pytest

from domain.errors import Unavailable
from domain.identities.identity_store import IdentityReading, IdentityStore
from domain.identities.managed_identity import ManagedIdentity, RoleGrant
from infra.embedded.identities.identity_rights import IdentityRights
from infra.web.client_standing import UnsaidStanding
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = ManagedIdentity(
    resource="onlineEndpoints/iris",
    principal_id="p",
    client_id="c",
    location="here",
    created_at=NOW,
    created_by="a test",
)
CLAIMS = {"oid": "p", "cv": OWN.version, "roles": ["owner"]}
GRANT = RoleGrant(
    name="n", definition="d", scope="s", role="reader", created_at=NOW, created_by="a test"
)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def identities(clock: HeldClock) -> IdentityStore:
    return IdentityStore(MemoryResourceStore(clock.unix))


@pytest.fixture
def rights(identities: IdentityStore, clock: HeldClock) -> IdentityRights:
    return IdentityRights(identities, UnsaidStanding(), clock.unix)


async def test_a_token_says_nothing_of_what_its_identity_may(
    identities: IdentityStore, rights: IdentityRights, clock: HeldClock
) -> None:
    assert not await rights.holds("p", OWN.version)
    made = await identities.save(OWN, None)
    clock.move(2)
    assert await rights.holds("p", OWN.version)
    assert not await rights.holds("another", OWN.version)
    assert await rights.roles(CLAIMS) == frozenset()
    await identities.save(OWN.but(grants=(GRANT,)), made)
    clock.move(2)
    assert await rights.roles(CLAIMS) == {"reader"}
    await identities.delete(OWN.resource)
    clock.move(2)
    assert await rights.roles(CLAIMS) == frozenset()
    assert not await rights.holds("p", OWN.version)


async def test_clients_are_what_their_tokens_say(rights: IdentityRights) -> None:
    assert await rights.holds("somebody", "1")
    assert await rights.roles({"roles": ["scorer"], "cv": "1"}) == {"scorer"}


async def test_what_was_taken_on_trust_is_not_after_a_change_nor_once_a_look_is_old(
    identities: IdentityStore, rights: IdentityRights, clock: HeldClock
) -> None:
    await rights.holds("p", OWN.version)
    before = rights.epoch
    clock.move(1)
    assert rights.epoch == before
    clock.move(1)
    assert rights.epoch != before
    await identities.save(OWN, None)
    assert await rights.holds("p", OWN.version)
    before = rights.epoch
    clock.move(1)
    assert rights.epoch == before


async def test_while_nobody_can_tell_nobody_is_let_in(clock: HeldClock) -> None:
    class Away(IdentityReading):
        async def stamp(self) -> str | None:
            raise Unavailable("The store is away.")

    rights = IdentityRights(Away(MemoryResourceStore(clock.unix)), UnsaidStanding(), clock.unix)
    with pytest.raises(Unavailable):
        await rights.holds("p", OWN.version)
    with pytest.raises(Unavailable):
        await rights.roles(CLAIMS)
