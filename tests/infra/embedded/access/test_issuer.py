"""The embedded token issuer, over HTTP."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.audit.address_limits import AddressLimits
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts
from domain.errors import Unauthenticated
from domain.ports import AuditLog, AuditQuery
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.embedded.access.clients import TOKEN_PATH, ClientRegistry
from infra.embedded.access.issuer import (
    DISCOVERY_PATH,
    KEYS_PATH,
    SigningKey,
    TokenIssuer,
)
from infra.web.client_standing import UnsaidStanding
from infra.web.token_rights import ClaimedRoles
from infra.web.token_verifier import JwtVerifier, StaticKeys
from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

Served = Callable[..., Any]

ISSUER, AUDIENCE = "https://127.0.0.1:7443", "api://ml-endpoints"
SCORING = "https://ml.azure.com"


@pytest.fixture
def registry(tmp_path: Path) -> ClientRegistry:
    return ClientRegistry(tmp_path / "secrets")


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey(tmp_path / "secrets" / "token-signing.pem")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def log(clock: HeldClock) -> AuditLog:
    return DocumentAuditLog(MemoryResourceStore(clock.unix), clock, keep=timedelta(days=90))


@pytest.fixture
def logins(log: AuditLog, clock: HeldClock) -> LoginCounts:
    return LoginCounts(log, clock, period=PATIENCE)


@pytest.fixture
def issuer(
    registry: ClientRegistry, key: SigningKey, clock: HeldClock, logins: LoginCounts
) -> TokenIssuer:
    return TokenIssuer(
        ISSUER,
        AUDIENCE,
        key,
        registry,
        audiences=(SCORING,),
        rates=AddressLimits(clock, most=5),
        door=CredentialDoor(AddressLimits(clock, most=3), logins),
    )


@pytest.fixture
async def client(served: Served, issuer: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    exact = {
        TOKEN_PATH: issuer.token,
        KEYS_PATH: issuer.keys,
        DISCOVERY_PATH: issuer.discovery,
    }
    async with served(exact=exact) as asking:
        yield asking


def form(**changes: str | None) -> dict[str, str]:
    whole = {"grant_type": "client_credentials", **changes}
    return {name: value for name, value in whole.items() if value is not None}


async def test_a_clients_token_is_accepted_with_its_role(
    client: httpx.AsyncClient, registry: ClientRegistry
) -> None:
    made = registry.add("deploys", "contributor")
    answer = await client.post(TOKEN_PATH, data=form(**made.to_document(), scope="x/.default"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    published = (await client.get(KEYS_PATH)).json()
    verifier = JwtVerifier(
        (ISSUER,), (AUDIENCE,), StaticKeys(lambda: published), UnsaidStanding(), ClaimedRoles()
    )
    principal = await verifier.verify(body["access_token"])
    assert principal.id == made.client_id
    assert principal.roles == {"contributor"}


async def test_the_scope_chooses_the_audience_as_entra_id_has_it(
    client: httpx.AsyncClient, registry: ClientRegistry
) -> None:
    made = registry.add("calls", "scorer/onlineEndpoints/iris, reader/codes/c")
    scope = f"{SCORING}/.default"
    answer = await client.post(TOKEN_PATH, data=form(**made.to_document(), scope=scope))
    token = answer.json()["access_token"]
    published = (await client.get(KEYS_PATH)).json()
    keys = StaticKeys(lambda: published)
    principal = await JwtVerifier(
        (ISSUER,), (SCORING,), keys, UnsaidStanding(), ClaimedRoles()
    ).verify(token)
    assert principal.roles == {"scorer/onlineEndpoints/iris", "reader/codes/c"}
    assert principal.expires_at is not None
    with pytest.raises(Unauthenticated):
        await JwtVerifier((ISSUER,), (AUDIENCE,), keys, UnsaidStanding(), ClaimedRoles()).verify(
            token
        )


async def test_a_client_may_authenticate_by_header(
    client: httpx.AsyncClient, registry: ClientRegistry
) -> None:
    made = registry.add("deploys", "reader")
    answer = await client.post(TOKEN_PATH, data=form(), auth=(made.client_id, made.client_secret))
    assert answer.status_code == 200
    answer = await client.post(TOKEN_PATH, data=form(), auth=(made.client_id, "wrong"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_only_public_halves_are_published(client: httpx.AsyncClient) -> None:
    (published,) = (await client.get(KEYS_PATH)).json()["keys"]
    assert set(published) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert published["alg"] == "ES256"


async def test_discovery_names_the_places(client: httpx.AsyncClient) -> None:
    found = (await client.get(DISCOVERY_PATH)).json()
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == ISSUER + TOKEN_PATH
    assert found["jwks_uri"] == ISSUER + KEYS_PATH


async def test_a_removed_client_gets_no_more_tokens(
    client: httpx.AsyncClient, registry: ClientRegistry
) -> None:
    made = registry.add("deploys", "reader")
    assert (await client.post(TOKEN_PATH, data=form(**made.to_document()))).status_code == 200
    registry.remove("deploys")
    answer = await client.post(TOKEN_PATH, data=form(**made.to_document()))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (form(client_id="a", client_secret="b"), 401, "invalid_client"),
        (form(client_id="a"), 401, "invalid_client"),
        (form(), 401, "invalid_client"),
        (form(grant_type=None, client_id="a", client_secret="b"), 400, "invalid_request"),
        (form(grant_type="password", client_id="a"), 400, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials"] * 2}, 400, "invalid_request"),
        ({f"x{n}": "1" for n in range(50)}, 400, "invalid_request"),
        (form(client_id="x" * 20_000), 413, "invalid_request"),
    ],
)
async def test_refusals_are_those_of_rfc_6749(
    client: httpx.AsyncClient, sent: dict[str, Any], status: int, error: str
) -> None:
    answer = await client.post(TOKEN_PATH, data=sent)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_the_token_endpoint_takes_forms_by_post_only(client: httpx.AsyncClient) -> None:
    assert (await client.get(TOKEN_PATH)).status_code == 405
    assert (await client.post(TOKEN_PATH, json=form())).status_code == 400
    both = await client.post(TOKEN_PATH, data=form(client_secret="x"), auth=("a", "b"))
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    bad = await client.post(TOKEN_PATH, data=form(), headers={"authorization": "Basic %%%"})
    assert bad.status_code == 401


async def test_the_key_outlives_its_process_and_a_new_one_voids_old_tokens(
    registry: ClientRegistry, issuer: TokenIssuer, tmp_path: Path
) -> None:
    registry.add("deploys", "reader")
    (known,) = registry.list()
    token = issuer.issue(known)
    file = tmp_path / "secrets" / "token-signing.pem"
    again = SigningKey(file)
    await JwtVerifier(
        (ISSUER,), (AUDIENCE,), StaticKeys(again.jwks), UnsaidStanding(), ClaimedRoles()
    ).verify(token)
    file.unlink()
    other = SigningKey(file)
    with pytest.raises(Unauthenticated):
        await JwtVerifier(
            (ISSUER,), (AUDIENCE,), StaticKeys(other.jwks), UnsaidStanding(), ClaimedRoles()
        ).verify(token)


async def test_wrong_secrets_keep_a_client_out_for_the_rest_of_the_minute(
    client: httpx.AsyncClient, registry: ClientRegistry, clock: HeldClock
) -> None:
    made, other = registry.add("deploys", "reader"), registry.add("reports", "reader")
    wrong = form(client_id=made.client_id, client_secret="guess")
    for _ in range(3):
        assert (await client.post(TOKEN_PATH, data=wrong)).status_code == 401
    clock.move(20)
    for data in (wrong, form(**made.to_document())):
        refused = await client.post(TOKEN_PATH, data=data)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "40")
        assert refused.json()["error"] == "temporarily_unavailable"
    assert (await client.post(TOKEN_PATH, data=form(**other.to_document()))).status_code == 200
    clock.move(40)
    assert (await client.post(TOKEN_PATH, data=form(**made.to_document()))).status_code == 200


async def test_a_secret_that_was_taken_goes_on_being_taken_beside_wrong_ones(
    client: httpx.AsyncClient, registry: ClientRegistry
) -> None:
    made = registry.add("deploys", "reader")
    wrong = form(client_id=made.client_id, client_secret="guess")
    for data, status in ((wrong, 401), (form(**made.to_document()), 200), (wrong, 401)):
        assert (await client.post(TOKEN_PATH, data=data)).status_code == status
    for data, status in ((wrong, 401), (wrong, 429), (form(**made.to_document()), 200)):
        assert (await client.post(TOKEN_PATH, data=data)).status_code == status


async def test_one_client_gets_so_many_tokens_a_minute(
    client: httpx.AsyncClient, registry: ClientRegistry, clock: HeldClock
) -> None:
    made, other = registry.add("deploys", "reader"), registry.add("reports", "reader")
    for _ in range(5):
        assert (await client.post(TOKEN_PATH, data=form(**made.to_document()))).status_code == 200
    refused = await client.post(TOKEN_PATH, data=form(**made.to_document()))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert (await client.post(TOKEN_PATH, data=form(**other.to_document()))).status_code == 200
    clock.move(60)
    assert (await client.post(TOKEN_PATH, data=form(**made.to_document()))).status_code == 200


async def test_logins_are_kept_by_client_address_and_minute(
    client: httpx.AsyncClient,
    registry: ClientRegistry,
    log: AuditLog,
    logins: LoginCounts,
    clock: HeldClock,
) -> None:
    made = registry.add("deploys", "reader")
    wrong = form(client_id=made.client_id, client_secret="guess")
    for data in (form(**made.to_document()), wrong, wrong, wrong, wrong):
        await client.post(TOKEN_PATH, data=data)
    clock.move(60)
    await logins.flush()
    records = (await log.query(AuditQuery(caller=made.client_id), page_size=10)).records
    shown = {(r.code, r.count, r.client, r.address, r.resource) for r in records}
    assert shown == {
        (200, 1, "deploys", "127.0.0.1", "clients/deploys"),
        (401, 3, "", "127.0.0.1", ""),
        (429, 1, "", "127.0.0.1", ""),
    }
    assert not any("guess" in str(r) or made.client_secret in str(r) for r in records)
