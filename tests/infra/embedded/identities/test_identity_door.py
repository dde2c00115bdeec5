"""Tokens at the local door: of a deployment's own identities, for its own secret."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from domain.audit.login_counts import LoginCounts
from domain.identities.identity_store import IdentityStore
from domain.identities.managed_identity import ManagedIdentity
from domain.names import WorkspaceScope
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.embedded.identities.host_identities import BLOBS_AT, Blobs, HostIdentities
from infra.embedded.identities.identity_door import IdentityDoor
from infra.embedded.identities.identity_tokens import STORAGE, Audiences, IdentityTokens
from infra.embedded.identities.trust_bundle import write_bundle
from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE, patience
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

SCOPE = WorkspaceScope("s", "g", "w")
IRIS, OTHER = "onlineEndpoints/iris", "onlineEndpoints/other"


@dataclass
class Place:
    door: IdentityDoor
    tokens: IdentityTokens
    logins: LoginCounts
    store: MemoryResourceStore

    def secret(self, holder: str) -> str:
        return self.door.variables(holder, "a deployment")["IDENTITY_HEADER"]

    async def send(self, head: str) -> tuple[int, Any]:
        async with patience():
            port = urlsplit(self.door.url).port
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
            writer.write(head.encode())
            answer = await reader.read()
            writer.close()
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def ask(self, secret: str, query: str = f"resource={STORAGE}") -> tuple[int, Any]:
        return await self.send(f"GET /msi/token?{query} HTTP/1.1\r\nsecret: {secret}\r\n\r\n")


def identity(resource: str, number: int) -> ManagedIdentity:
    return ManagedIdentity(
        resource=resource,
        principal_id=f"p{number}",
        client_id=f"c{number}",
        location="here",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="a test",
    )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    clock = HeldClock()
    store = MemoryResourceStore(clock.unix)
    identities = IdentityStore(store)
    given = ("userAssignedIdentities/a", "userAssignedIdentities/b")
    for number, resource in enumerate((IRIS, *given)):
        await identities.save(identity(resource, number), None)
    await identities.hold(IRIS, [IRIS, given[0]])
    await identities.hold(OTHER, given)
    tokens = IdentityTokens(
        identities,
        lambda claims: jwt.encode(dict(claims), "k" * 32),
        "https://issuer",
        Audiences(("api://ml-endpoints",), "https://ml.azure.com"),
        lambda each: each.arm_id(SCOPE),
        refusal=None,
    )
    log = DocumentAuditLog(store, clock, keep=timedelta(days=90))
    logins = LoginCounts(log, clock, period=PATIENCE)
    door = IdentityDoor(tokens, logins)
    await door.start()
    yield Place(door, tokens, logins, store)
    await door.close()
    await logins.close()


def claims(answer: tuple[int, Any]) -> dict[str, Any]:
    status, body = answer
    assert status == 200, body
    found: dict[str, Any] = jwt.decode(body["access_token"], options={"verify_signature": False})
    return found


async def test_a_deployment_gets_tokens_of_its_own_identities_and_of_nobody_else(
    place: Place,
) -> None:
    iris, other = place.secret(IRIS), place.secret(OTHER)
    own = claims(await place.ask(iris))
    assert (own["oid"], own["aud"], own["xms_mirid"]) == (
        "p0",
        STORAGE,
        SCOPE.path(*IRIS.split("/")),
    )
    assert "roles" not in own
    chosen = f"resource={STORAGE}&client_id=c1"
    assert claims(await place.ask(iris, chosen))["oid"] == "p1"
    assert claims(await place.ask(other, chosen))["oid"] == "p1"
    for query in ("client_id=c0", "object_id=p0", f"mi_res_id={SCOPE.path(*IRIS.split('/'))}"):
        status, body = await place.ask(other, f"resource={STORAGE}&{query}")
        assert (status, body["error"]) == (400, "identity_not_found")
    status, body = await place.ask(other)
    assert (status, "c1 (a), c2 (b)" in body["message"]) == (400, True)
    control = claims(await place.ask(iris, "resource=https://management.azure.com/"))
    assert control["aud"] == "api://ml-endpoints"


async def test_a_secret_is_good_for_whom_it_was_made(place: Place) -> None:
    whom, mark = place.secret(IRIS).split(".")
    forged = place.secret(OTHER).split(".")[0] + "." + mark
    for secret in (forged, f"{whom}.", whom, "", "ü", f"{whom}.{mark[:-4]}AAAA"):
        status, body = await place.ask(secret)
        assert (status, body["error"]) == (401, "unauthorized_client"), secret
    another = IdentityDoor(place.tokens, place.logins)
    status, _ = await place.ask(another.variables(IRIS, "a deployment")["MSI_SECRET"])
    assert status == 401, "another host's life"


async def test_what_is_no_request_for_a_token_is_told_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    secret = place.secret(IRIS)
    for head, status in (
        (f"GET /msi/token HTTP/1.1\r\nsecret: {secret}\r\n\r\n", 400),
        (f"DELETE /msi/token?resource=x HTTP/1.1\r\nsecret: {secret}\r\n\r\n", 405),
        (f"GET /elsewhere HTTP/1.1\r\nsecret: {secret}\r\n\r\n", 404),
        (f"GET /msi/token HTTP/1.1\r\nx: {'y' * 20_000}\r\n\r\n", 431),
        ("GET //[ HTTP/1.1\r\n\r\n", 400),
        (f"GET /msi/token?{'a=b&' * 40} HTTP/1.1\r\n\r\n", 400),
    ):
        assert (await place.send(head))[0] == status
    metadata = f"/{secret}/metadata/identity/oauth2/token?resource={STORAGE}"
    assert (await place.send(f"GET {metadata} HTTP/1.1\r\n\r\n"))[0] == 400
    assert (await place.send(f"GET {metadata} HTTP/1.1\r\nMetadata: true\r\n\r\n"))[0] == 200
    assert "failed" not in caplog.text


async def test_who_leaves_before_he_has_asked_is_no_failure(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with patience():
        port = urlsplit(place.door.url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /msi/token")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert "failed" not in caplog.text


async def test_who_asks_all_the_time_is_given_the_same_and_all_of_it_is_counted(
    place: Place,
) -> None:
    secret = place.secret(IRIS)
    answers = [(await place.ask(secret))[1]["access_token"] for _ in range(3)]
    assert len(set(answers)) == 1
    await place.ask("wrong")
    await place.logins.flush(all_over=True)
    documents = (await place.store.query("auditRecord")).documents
    records = [each.body["record"] for each in documents]
    found = {(each["caller"], each["code"], each["count"]) for each in records}
    assert found == {("p0", 200, 3), ("", 401, 1)}


async def test_a_process_is_told_where_all_is_and_a_node_is_given_all_it_may_ask_for(
    place: Place, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("AUTHORITY")

    async def of_nodes() -> tuple[str, str]:
        return "https://gateway/blobs", "NODES"

    lending = HostIdentities(
        place.tokens,
        place.door,
        tmp_path / "trust" / "authorities.pem",
        Blobs("https://host/blobs", of_nodes),
        are_ours=True,
    )
    assert not (await lending.lent(None, "online/iris/blue")).variables
    await lending.trust(authority)
    lent = await lending.lent(IRIS, "online/iris/blue")
    assert lent.variables[BLOBS_AT] == "https://host/blobs"
    [bundle] = lent.readable
    assert lent.variables["REQUESTS_CA_BUNDLE"] == str(bundle)
    assert bundle.read_text().endswith("AUTHORITY")
    assert bundle.stat().st_mode & 0o777 == 0o600
    of = await lending.of_nodes(IRIS)
    assert of["authorities"].split() == ["AUTHORITY", "NODES"]
    assert of["variables"] == {BLOBS_AT: "https://gateway/blobs"}
    given = await lending.tokens(IRIS)
    usual = [each for each in given if each.is_usual]
    assert {each.names["client_id"] for each in given} == {"c0", "c1"}
    assert {each.names["client_id"] for each in usual} == {"c0"}
    assert len(given) == 2 * len(usual)
    computes = "computes/cpu"
    await IdentityStore(place.store).hold(computes, ["userAssignedIdentities/a"])
    told = (await lending.lent(computes, "a pool")).variables
    assert told["DEFAULT_IDENTITY_CLIENT_ID"] == "c1"


def test_what_the_machine_trusts_is_trusted_too(tmp_path: Path) -> None:
    usual, own = tmp_path / "usual.pem", tmp_path / "own.pem"
    usual.write_text("USUAL")
    own.write_text("OWN")
    bundle = tmp_path / "bundle.pem"
    write_bundle(bundle, own, {"SSL_CERT_FILE": str(usual)})
    assert bundle.read_text() == "USUAL\nOWN"
