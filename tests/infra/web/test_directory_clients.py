"""Entra ID's tokens, of both versions and of whomever, and the roles that they come to."""

from collections.abc import Iterator, Sequence

import pytest

from domain.errors import Conflict, Invalid, NotFound, Unauthenticated
from domain.ports import Document, RegisteredClient, Write
from infra.web import directory_clients
from infra.web.directory_clients import DirectoryClients, DirectoryRights
from infra.web.token_verifier import JwtVerifier, PublishedKeys
from tests.infra.web.entra import (
    APPLICATION,
    APPLICATION_URI,
    AZURE_ML,
    ISSUER_V1,
    ISSUER_V2,
    TENANT,
    Tenant,
)
from tests.kit.clocks import HeldClock
from tests.kit.web_server import web_server
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

ADA = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
PIPELINE = "b2f0b7a4-1f9e-4c0e-8a55-3d2f4a6c7e11"
SCIENTISTS = "e0a4b9c2-7d36-45f1-9b8e-6c5d4f3a2b10"


class Installation:
    """One that trusts the tenant, as two gateways see it. `scoring` takes Azure ML's audience."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.clock = HeldClock()
        self.store = MemoryResourceStore(self.clock.unix)
        self.clients = DirectoryClients(self.store, self.clock)
        self.rights = DirectoryRights(
            self.store, (APPLICATION_URI, APPLICATION), clock=self.clock.unix
        )
        self.control = self._verifier((APPLICATION_URI, APPLICATION))
        self.scoring = self._verifier((AZURE_ML,))

    def _verifier(self, audiences: tuple[str, ...]) -> JwtVerifier:
        keys = PublishedKeys(self.tenant.keys_url)
        return JwtVerifier((ISSUER_V1, ISSUER_V2), audiences, keys, self.rights, self.rights)


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    with web_server() as web:
        yield Tenant(web)


@pytest.fixture
def here(tenant: Tenant) -> Installation:
    return Installation(tenant)


def nobody_minds(client: RegisteredClient | None) -> None:
    pass


@pytest.mark.parametrize("version", [1, 2])
async def test_an_app_role_counts_whoever_it_was_assigned_to(
    here: Installation, version: int
) -> None:
    token = here.tenant.application(version, PIPELINE, roles=["contributor"])
    pipeline = await here.control.verify(token)
    assert pipeline.id == PIPELINE
    assert pipeline.roles == {"contributor"}
    ada = await here.control.verify(here.tenant.person(version, ADA, roles=["owner"]))
    assert (ada.id, ada.name) == (ADA, "Ada")
    assert ada.roles == {"owner"}


@pytest.mark.parametrize("version", [1, 2])
async def test_a_token_may_name_the_application_either_way(
    here: Installation, version: int
) -> None:
    for audience in (APPLICATION, APPLICATION_URI):
        token = here.tenant.application(version, PIPELINE, aud=audience, roles=["reader"])
        assert (await here.control.verify(token)).roles == {"reader"}


@pytest.mark.parametrize("version", [1, 2])
async def test_a_token_for_another_application_or_of_another_tenant_is_refused(
    here: Installation, version: int
) -> None:
    other = here.tenant.application(version, PIPELINE, aud=AZURE_ML, roles=["owner"])
    with pytest.raises(Unauthenticated, match=f"ask for one for {APPLICATION_URI}"):
        await here.control.verify(other)
    stranger = "11111111-2222-3333-4444-555555555555"
    for issuer in (ISSUER_V1, ISSUER_V2):
        elsewhere = issuer.replace(TENANT, stranger)
        with pytest.raises(Unauthenticated, match="issuer"):
            await here.control.verify(here.tenant.person(version, ADA, iss=elsewhere))


async def test_app_roles_of_another_application_are_no_roles_here(here: Installation) -> None:
    """Azure ML's audience is for anybody in the tenant to ask for."""
    token = here.tenant.application(1, PIPELINE, aud=AZURE_ML, roles=["owner"])
    principal = await here.scoring.verify(token)
    assert principal.id == PIPELINE
    assert not principal.roles


@pytest.mark.parametrize("version", [1, 2])
async def test_a_role_given_here_counts_in_tokens_for_azure_ml_and_for_us(
    here: Installation, version: int
) -> None:
    await here.clients.put(ADA.upper(), "scorer/onlineEndpoints/iris, reader", nobody_minds)
    for_azure_ml = here.tenant.person(version, ADA, aud=AZURE_ML)
    assert (await here.scoring.verify(for_azure_ml)).roles == {
        "scorer/onlineEndpoints/iris",
        "reader",
    }
    ours = await here.control.verify(here.tenant.person(version, ADA, roles=["contributor"]))
    assert ours.roles == {"contributor", "reader", "scorer/onlineEndpoints/iris"}
    somebody = here.tenant.application(version, PIPELINE, aud=AZURE_ML)
    assert (await here.scoring.verify(somebody)).roles == frozenset()


async def test_a_role_of_a_group_is_its_members(here: Installation) -> None:
    await here.clients.put(SCIENTISTS, "scorer", nobody_minds)
    member = here.tenant.person(2, ADA, groups=["another", SCIENTISTS])
    assert (await here.control.verify(member)).roles == {"scorer"}
    for groups in (["another"], SCIENTISTS, None, [{"id": SCIENTISTS}]):
        other = here.tenant.person(2, ADA, groups=groups)
        assert (await here.control.verify(other)).roles == frozenset()


async def test_a_role_that_is_taken_away_is_gone_two_seconds_later(here: Installation) -> None:
    await here.clients.put(ADA, "scorer", nobody_minds)
    token = here.tenant.person(1, ADA, aud=AZURE_ML)
    assert (await here.scoring.verify(token)).roles == {"scorer"}
    trusted = here.scoring.epoch
    assert here.scoring.epoch == trusted
    assert await here.clients.remove(ADA, nobody_minds)
    here.clock.move(2)
    assert here.scoring.epoch != trusted
    assert (await here.scoring.verify(token)).roles == frozenset()


async def test_roles_are_read_anew_only_once_one_has_changed(here: Installation) -> None:
    await here.clients.put(ADA, "scorer", nobody_minds)
    token = here.tenant.person(1, ADA, aud=AZURE_ML)
    await here.scoring.verify(token)
    here.clock.move(60)
    assert here.scoring.epoch != here.scoring.epoch, "who is asked has not looked yet"
    await here.scoring.verify(token)
    unchanged = here.scoring.epoch
    here.clock.move(1.9)
    assert here.scoring.epoch == unchanged


async def test_names_roles_and_their_number_are_checked(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="az ad user show"):
        await here.clients.put("ada@contoso.com", "reader", nobody_minds)
    with pytest.raises(Invalid, match="`king` is no role"):
        await here.clients.put(ADA, "king", nobody_minds)
    with pytest.raises(NotFound, match=ADA):
        await here.clients.get(ADA)
    monkeypatch.setattr(directory_clients, "MAX_CLIENTS", 1)
    first = await here.clients.put(ADA, "reader", nobody_minds)
    with pytest.raises(Conflict, match="groups"):
        await here.clients.put(PIPELINE, "reader", nobody_minds)
    changed = await here.clients.put(ADA, "owner", nobody_minds)
    assert isinstance(first, RegisteredClient)
    assert isinstance(changed, RegisteredClient)
    assert (changed.role, changed.created_at) == ("owner", first.created_at)
    assert changed.etag != first.etag
    assert list(await here.clients.list()) == [await here.clients.get(ADA)] == [changed]


class OvertakenStore(MemoryResourceStore):
    """In which somebody else gives a role just before each of the first two changes."""

    ahead = 0

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        if self.ahead < 2:
            self.ahead += 1
            at = f"{self.ahead}0000000-0000-0000-0000-000000000000"
            faster = DirectoryClients(self, HeldClock())
            held, self.ahead = self.ahead, 2
            await faster.put(at, "scorer", nobody_minds)
            self.ahead = held
        return await super().transact(partition, writes)


async def test_of_changes_at_once_none_is_lost() -> None:
    """All mark the change; who comes later begins again."""
    clock = HeldClock()
    clients = DirectoryClients(OvertakenStore(clock.unix), clock)
    await clients.put(ADA, "owner", nobody_minds)
    roles = [client.role for client in await clients.list()]
    assert sorted(roles) == ["owner", "scorer", "scorer"]
