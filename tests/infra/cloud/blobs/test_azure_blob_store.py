import asyncio
import hashlib
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AzureNamedKeyCredential

from domain import errors
from domain.ports import Permission
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.blobs.blob_account import parse_connection_string
from tests.infra.cloud.cloud_costs import CloudCosts
from tests.kit.waiting import PATIENCE

MIB = 1024 * 1024
OpenBlobs = Callable[..., AzureBlobStore]
READ, WRITE = frozenset({Permission.READ}), frozenset({Permission.WRITE})
KEY = AzureNamedKeyCredential("account", "a2V5")

cloud = pytest.mark.cloud


async def ask(url: str, data: bytes | None = None, **headers: str) -> bytes:
    """As a worker beside a model asks: without any SDK."""

    def ask() -> bytes:
        method = "GET" if data is None else "PUT"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers=named)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
            return body

    return await asyncio.to_thread(ask)


async def refused(url: str, data: bytes | None = None, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as raised:
        await ask(url, data, **headers)
    raised.value.close()
    return raised.value.code


@cloud
@pytest.mark.parametrize("name", ["a.csv", "a b/ü%41#?&+.csv", "\U0001f600"])
async def test_a_signed_url_reads_its_blob_and_no_other(open_blobs: OpenBlobs, name: str) -> None:
    blobs = open_blobs()
    await blobs.write("system", name, b"content")
    await blobs.write("system", "other", b"content")
    signed = await blobs.sign("system", name, READ, timedelta(hours=1))
    assert await ask(signed) == b"content"
    query = signed.split("?", 1)[1]
    assert await refused(f"{blobs.url('system', 'other')}?{query}") == 403
    assert await refused(signed, b"x", x_ms_blob_type="BlockBlob") == 403


@cloud
async def test_a_signed_url_expires(open_blobs: OpenBlobs) -> None:
    an_hour_ago = open_blobs(now=lambda: datetime.now(UTC) - timedelta(hours=1))
    await an_hour_ago.write("system", "a", b"content")
    assert await ask(await an_hour_ago.sign("system", "a", READ, timedelta(hours=2))) == b"content"
    assert await refused(await an_hour_ago.sign("system", "a", READ, timedelta(minutes=59))) == 403


@cloud
async def test_a_containers_signed_url_serves_every_blob_of_it(open_blobs: OpenBlobs) -> None:
    blobs = open_blobs()
    await blobs.write("system", "a", b"content")
    every = frozenset(Permission)
    path, query = (await blobs.sign("system", None, every, timedelta(hours=1))).split("?")
    assert await ask(f"{path}/a?{query}") == b"content"
    assert b"<Name>a</Name>" in await ask(f"{path}?restype=container&comp=list&{query}")
    await ask(f"{path}/new?{query}", b"new", x_ms_blob_type="BlockBlob")
    assert await ask(f"{path}/new?{query}") == b"new"


@cloud
async def test_a_worker_reads_a_lent_blob_and_stages_a_lent_block(open_blobs: OpenBlobs) -> None:
    blobs = open_blobs()
    block = await blobs.lend_block("system", "out/a b.csv", "0001-ü+/")
    await ask(block, b"rows\n", Content_Type="application/octet-stream")
    await ask(block, b"rows again\n", Content_Type="application/octet-stream")
    await blobs.commit_blocks("system", "out/a b.csv", ["0001-ü+/"])
    [lent] = await blobs.lend([("system", "out/a b.csv")])
    assert lent is not None
    assert await ask(lent) == b"rows again\n"
    assert await refused(block.split("&comp=")[0]) == 403  # to write is not to read


@cloud
async def test_a_blob_larger_than_memory_may_hold_streams_through(open_blobs: OpenBlobs) -> None:
    blobs = open_blobs()
    size, piece = 40, bytes(range(256)) * 4096
    expected = hashlib.sha256(piece * size).digest()

    async def content() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield piece

    tracemalloc.start()
    try:
        written = await blobs.write("system", "big", content())
        digest = hashlib.sha256()
        async for part in blobs.read("system", "big", etag=written.etag):
            digest.update(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written.size == size * MIB
    assert digest.digest() == expected
    assert peak < 28 * MIB


@cloud
async def test_of_racing_streams_if_absent_one_wins(open_blobs: OpenBlobs) -> None:
    blobs = open_blobs()

    async def content(n: int) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes([n]) * 3 * MIB

    outcomes = await asyncio.gather(
        *[blobs.write("system", "a", content(n), if_absent=True) for n in range(4)],
        return_exceptions=True,
    )
    won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert [type(o) for o in outcomes if isinstance(o, BaseException)] == [errors.BlobExists] * 3
    whole = b"".join([part async for part in blobs.read("system", "a")])
    assert whole == bytes(won) * 9 * MIB


@cloud
async def test_what_each_call_costs(open_blobs: OpenBlobs) -> None:
    costs = CloudCosts()
    blobs = open_blobs(client_options={"transport": costs.blob()})
    await blobs.write("system", "made", b"x")
    expected: dict[str, Callable[[], Awaitable[object]]] = {
        "put blob": lambda: blobs.write("system", "a", b"x"),
        "get blob properties": lambda: blobs.properties("system", "a"),
        "put block": lambda: blobs.stage_block("system", "b", "1", b"x"),
        "delete blob": lambda: blobs.delete("system", "a"),
    }
    for name, call in expected.items():
        with costs.counting() as counted:
            await call()
        assert counted.by_name == {f"blob {name}": 1}
    with costs.counting() as counted:
        assert [blob.name async for blob in blobs.list("system")] == ["made"]
        assert [part async for part in blobs.read("system", "made")] == [b"x"]
    assert counted.by_name == {"blob list blobs": 1, "blob get blob": 1}


@cloud
async def test_pages_are_asked_for_ahead_by_whoever_goes_on_to_a_second(
    open_blobs: OpenBlobs,
) -> None:
    costs = CloudCosts()
    blobs = open_blobs(client_options={"transport": costs.blob()}, page_size=2)
    wanted = [f"{n}" for n in range(9)]
    for name in wanted:
        await blobs.write("system", name, b"x")

    async def until(last: str) -> list[str]:
        found = []
        async with aclosing(blobs.list("system")) as listed:  # type: ignore[type-var]
            async for blob in listed:
                found.append(blob.name)
                if blob.name == last:
                    break
        return found

    with costs.counting() as counted:
        assert await until("1") == wanted[:2]
    assert counted.by_name == {"blob list blobs": 1}
    with costs.counting() as counted:
        assert await until("") == wanted
    assert counted.by_name == {"blob list blobs": 6}  # whether there are folders is one of them
    # Left while the next page is on its way.
    assert await until("2") == wanted[:3]
    assert await until("") == wanted


@pytest.mark.parametrize(
    "url", ["http://account.example", "ftp://127.0.0.1/a", "http://10.0.0.1/a", "account"]
)
def test_an_account_is_not_reached_in_the_clear(url: str) -> None:
    with pytest.raises(errors.Invalid):
        AzureBlobStore(url, KEY)


def test_a_connection_string_gives_url_and_key() -> None:
    url, credential = parse_connection_string(
        "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5PT0=;"
        "EndpointSuffix=core.example"
    )
    assert url == "https://acc.blob.core.example"
    assert (credential.named_key.name, credential.named_key.key) == ("acc", "a2V5PT0=")
    own, _ = parse_connection_string("AccountName=a;AccountKey=b;BlobEndpoint=https://x.example/a/")
    assert own == "https://x.example/a/"
    assert parse_connection_string("UseDevelopmentStorage=true")[0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("text", ["", "AccountName=a", "AccountKey=c2VjcmV0"])
def test_a_connection_string_that_is_none_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        parse_connection_string(text)
    assert "c2VjcmV0" not in raised.value.message


async def test_urls_of_an_account_of_its_own_host_are_located() -> None:
    blobs = AzureBlobStore("https://acc.blob.example/", KEY)
    assert blobs.url("system", "a b") == "https://acc.blob.example/system/a%20b"
    assert blobs.locate("https://ACC.blob.example:443/system/a%20b?sv=1") == ("system", "a b")
    for foreign in ("https://x.blob.example/system/a", "http://acc.blob.example/system/a"):
        assert blobs.locate(foreign) is None
