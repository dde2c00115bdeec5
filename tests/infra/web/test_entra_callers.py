"""Who scores on an aad_token endpoint of an installation whose tokens are Entra ID's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.web.directory_clients import DirectoryClients, DirectoryRights
from infra.web.token_verifier import JwtVerifier, PublishedKeys
from tests.infra.web.entra import (
    APPLICATION,
    APPLICATION_URI,
    AZURE_ML,
    ISSUER_V1,
    ISSUER_V2,
    Tenant,
)
from tests.kit.stages.gateway_stage import Gateway, Gateways, opened
from tests.kit.web_server import web_server

ADA = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
PIPELINE = "b2f0b7a4-1f9e-4c0e-8a55-3d2f4a6c7e11"


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    with web_server() as web:
        yield Tenant(web)


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    async with opened(tmp_path) as gateways:
        await gateways.iris("blue", authMode="aad_token")
        assert (await gateways.patch(traffic={"blue": 100})).status_code == 202
        yield gateways


@pytest.fixture
async def gateway(gateways: Gateways, tenant: Tenant) -> AsyncIterator[Gateway]:
    """One that trusts the tenant, as in Azure."""
    rights = DirectoryRights(gateways.store, (APPLICATION_URI, APPLICATION), gateways.clock.unix)
    keys = PublishedKeys(tenant.keys_url)
    gateways.adapters = replace(
        gateways.adapters,
        scoring_verifier=JwtVerifier((ISSUER_V1, ISSUER_V2), (AZURE_ML,), keys, rights, rights),
        clients=DirectoryClients(gateways.store, gateways.clock),
    )
    async with AsyncExitStack() as stack:
        yield gateways.start(stack)


async def give(gateway: Gateway, who: str, role: str) -> None:
    reply = await gateway.arm("PUT", f"clients/{who}", {"properties": {"role": role}})
    assert reply.status_code == 200, reply.text


async def status(gateway: Gateway, token: str) -> int:
    return (await gateway.score(token)).status_code


async def test_a_person_scores_for_as_long_as_a_role_lets_him(
    gateways: Gateways, gateway: Gateway, tenant: Tenant
) -> None:
    token = tenant.person(2, ADA, aud=AZURE_ML)
    refused = await gateway.score(token)
    assert refused.status_code == 403
    await give(gateway, ADA, "scorer/onlineEndpoints/iris")
    gateways.clock.move(2)
    assert await status(gateway, token) == 200
    await give(gateway, ADA, "scorer/onlineEndpoints/another")
    gateways.clock.move(2)
    assert await status(gateway, token) == 403
    await give(gateway, ADA, "scorer")
    gateways.clock.move(2)
    assert await status(gateway, token) == 200
    assert (await gateway.arm("DELETE", f"clients/{ADA}")).status_code == 200
    gateways.clock.move(2)
    assert await status(gateway, token) == 403


async def test_a_managed_identity_scores_and_azure_ml_s_own_roles_let_nobody(
    gateways: Gateways, gateway: Gateway, tenant: Tenant
) -> None:
    of_azure_ml: dict[str, Any] = {"aud": AZURE_ML, "roles": ["owner", "scorer"]}
    token = tenant.application(1, PIPELINE, **of_azure_ml)
    assert await status(gateway, token) == 403
    await give(gateway, PIPELINE, "scorer")
    gateways.clock.move(2)
    assert await status(gateway, token) == 200
    assert await status(gateway, tenant.application(1, ADA, **of_azure_ml)) == 403
    for_us = tenant.application(1, PIPELINE, roles=["owner"])
    assert await status(gateway, for_us) == 401, "it is for another audience"
