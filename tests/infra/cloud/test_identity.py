"""The adapters with an identity in place of a key, over TLS: tokens are sent, and URLs are
signed with a user delegation key. (No loopback server checks who signed a token.)"""

import asyncio
import base64
import json
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domain import errors
from domain.ports import Create, Permission
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from tests.infra.cloud.cloud_costs import CloudCosts
from tests.kit.waiting import PATIENCE
from tests.servers.processes import BlobServer, CosmosServer, Tls

pytestmark = pytest.mark.cloud

TENANT = "00000000-0000-4000-8000-000000000001"
READ = frozenset({Permission.READ})


class Identity:
    """What azure-identity's credentials are to the SDKs."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
            "tid": TENANT,
            "oid": "00000000-0000-4000-8000-000000000002",
        }
        parts = [{"alg": "RS256", "typ": "JWT"}, claims, {}]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
        return AccessToken(".".join(part.rstrip("=") for part in encoded), now + 3600)

    async def close(self) -> None:
        raise AssertionError("An identity is closed by its owner.")

    async def __aenter__(self) -> "Identity":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("tls")
    files = Tls(folder / "certificate.pem", folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture(scope="module")
def tls_blob_server(tls: Tls, blob_server: BlobServer) -> Iterator[BlobServer]:
    with BlobServer(tls) as server:  # `blob_server` has skipped where it cannot be installed
        yield server


@pytest.fixture(scope="module")
def tls_cosmos_server(tls: Tls, cosmos_server: CosmosServer) -> Iterator[CosmosServer]:
    with CosmosServer(tls) as server:
        yield server


@pytest.fixture
async def costs() -> CloudCosts:
    return CloudCosts()


@pytest.fixture
async def blobs(
    tls: Tls, tls_blob_server: BlobServer, costs: CloudCosts
) -> AsyncIterator[AzureBlobStore]:
    account = tls_blob_server.new_account().split("AccountName=")[1].split(";")[0]
    blobs = AzureBlobStore(
        f"https://127.0.0.1:{tls_blob_server.port}/{account}",
        Identity(),
        client_options={"transport": costs.blob(connection_verify=str(tls.certificate))},
    )
    yield blobs
    await blobs.close()


async def fetched(url: str, tls: Tls) -> bytes:
    context = ssl.create_default_context(cafile=str(tls.certificate))

    def fetch() -> bytes:
        with urllib.request.urlopen(url, timeout=PATIENCE, context=context) as answer:
            content: bytes = answer.read()
            return content

    return await asyncio.to_thread(fetch)


async def test_urls_are_signed_with_one_user_delegation_key(
    blobs: AzureBlobStore, tls: Tls, costs: CloudCosts
) -> None:
    with costs.counting() as counted:
        await blobs.write("system", "a b", b"content")
        first = await blobs.sign("system", "a b", READ, timedelta(hours=1))
        again = await asyncio.gather(*[blobs.lend([("system", "a b")]) for _ in range(5)])
    assert await fetched(first, tls) == b"content"
    [lent] = again[0]
    assert lent is not None
    assert await fetched(lent, tls) == b"content"
    assert counted.by_name["blob get user delegation key"] == 1
    assert "&spr=https&" in first


async def test_a_url_for_longer_than_azure_lets_an_identity_sign_is_refused(
    blobs: AzureBlobStore,
) -> None:
    await blobs.sign("system", "a", READ, timedelta(days=7) - timedelta(minutes=1))
    with pytest.raises(errors.Invalid):
        await blobs.sign("system", "a", READ, timedelta(days=8))


async def test_documents_are_kept_by_an_identity(tls_cosmos_server: CosmosServer) -> None:
    identity = Identity()
    store = CosmosResourceStore(tls_cosmos_server.endpoint, identity, create=True)
    written = await store.transact("p", [Create("a", {"kind": "Thing"})])
    assert written == [await store.get("p", "a")]
    await store.close()
    assert set(identity.scopes) == {"https://127.0.0.1/.default"}


async def test_a_certificate_that_is_not_trusted_is_refused_at_once(
    tls_blob_server: BlobServer,
) -> None:
    blobs = AzureBlobStore(f"https://127.0.0.1:{tls_blob_server.port}/account0", Identity())
    with pytest.raises(errors.Unavailable) as raised:
        await blobs.properties("system", "a")
    assert raised.value.code == "DependencyNotSetUp"
    await blobs.close()
