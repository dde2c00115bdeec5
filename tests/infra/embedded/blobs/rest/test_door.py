"""Blobs over HTTP at their signed URLs."""

import base64
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from domain.ports import Permission
from infra.cloud.ample_room import AmpleRoom
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.blobs.rest.requests import AZURE_PREFIX, PREFIX
from tests.kit.composed import ToldRoom
from tests.kit.stages.door_stage import bearers

Served = Callable[..., Any]

READ, WRITE = frozenset({Permission.READ}), frozenset({Permission.WRITE})
BOTH = READ | WRITE
BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobStore]:
    store = FileBlobStore(tmp_path, base_url="https://127.0.0.1:7443", key=b"k" * 32)
    yield store
    await store.close()


@pytest.fixture
async def client(served: Served, blobs: FileBlobStore) -> AsyncIterator[httpx.AsyncClient]:
    door = BlobDoor(blobs.files, blobs.signed_urls, bearers(), AmpleRoom())
    async with served(prefixes=[(PREFIX, door), (AZURE_PREFIX, door)]) as asking:
        yield asking


async def signed(
    blobs: FileBlobStore,
    name: str | None,
    permissions: frozenset[Permission] = BOTH,
    expires_in: timedelta = timedelta(hours=1),
) -> str:
    """Path and query of a signed URL in the container `models`."""
    url = urlsplit(await blobs.sign("models", name, permissions, expires_in))
    return f"{url.path}?{url.query}"


async def test_a_full_store_takes_no_uploads_and_all_else(
    served: Served, blobs: FileBlobStore
) -> None:
    room = ToldRoom()
    door = BlobDoor(blobs.files, blobs.signed_urls, bearers(), room)
    async with served(prefixes=[(PREFIX, door)]) as client:
        url = await signed(blobs, None)
        there, query = url.split("?")
        block = "comp=block&blockid=MDAx"
        one = f"{there}/a?{query}"
        assert (await client.put(one, content=b"a", headers=BLOCK_BLOB)).status_code == 201
        assert (await client.put(f"{one}&{block}", content=b"b")).status_code == 201
        room.is_full = True
        for way in (one, f"{one}&{block}"):
            refused = await client.put(way, content=b"c", headers=BLOCK_BLOB)
            assert refused.status_code == 507
            assert refused.headers["x-ms-error-code"] == "InsufficientStorage"
        lent = await signed(blobs, "b", WRITE)
        assert (await client.put(lent, content=b"x", headers=BLOCK_BLOB)).status_code == 201
        assert (await client.get(one)).content == b"a"
        ids = b"<BlockList><Latest>MDAx</Latest></BlockList>"
        assert (await client.put(f"{one}&comp=blocklist", content=ids)).status_code == 201
        room.is_full = False
        assert (await client.put(one, content=b"d", headers=BLOCK_BLOB)).status_code == 201


async def test_what_is_put_is_got_back(client: httpx.AsyncClient, blobs: FileBlobStore) -> None:
    url = await signed(blobs, "mödel v1/weights #1%.bin")
    headers = {**BLOCK_BLOB, "content-type": "x/weights", "x-ms-meta-origin": "test"}
    put = await client.put(url, content=b"weights", headers=headers)
    assert put.status_code == 201
    got = await client.get(url)
    assert got.content == b"weights"
    assert got.headers["etag"] == put.headers["etag"]
    assert got.headers["content-type"] == "x/weights"
    assert got.headers["x-ms-meta-origin"] == "test"
    head = await client.head(url)
    assert (head.headers["content-length"], head.content) == ("7", b"")
    kept = await blobs.properties("models", "mödel v1/weights #1%.bin")
    assert kept.metadata == {"origin": "test"}


async def test_a_containers_signature_serves_every_blob_in_it(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    path, _, query = (await signed(blobs, None)).partition("?")
    for name in ("a.txt", "folder/b.txt"):
        url = f"{path}/{name}?{query}"
        assert (await client.put(url, content=name.encode())).status_code == 201
        assert (await client.get(url)).text == name
    elsewhere = path.replace("models", "others")
    assert (await client.get(f"{elsewhere}/a.txt?{query}")).status_code == 403


async def test_an_upload_larger_than_memory_allowed_streams_both_ways(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    size, piece = 64 * 2**20, b"0123456789abcdef" * 4096
    url = await signed(blobs, "big.bin")

    async def content() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    tracemalloc.start()
    try:
        assert (await client.put(url, content=content())).status_code == 201
        length = 0
        async with client.stream("GET", url) as answer:
            assert answer.headers["content-length"] == str(size)
            async for part in answer.aiter_raw():
                length += len(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length == size
    assert peak < size // 2


@pytest.mark.parametrize(
    ("asked", "status", "content", "where"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=3-1", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
    ],
)
async def test_ranges(
    client: httpx.AsyncClient,
    blobs: FileBlobStore,
    asked: str,
    status: int,
    content: bytes | None,
    where: str | None,
) -> None:
    url = await signed(blobs, "digits")
    await client.put(url, content=b"0123456789")
    answer = await client.get(url, headers={"range": asked})
    assert answer.status_code == status
    assert answer.headers.get("content-range") == where
    if content is not None:
        assert answer.content == content


async def test_an_empty_blob_is_one(client: httpx.AsyncClient, blobs: FileBlobStore) -> None:
    url = await signed(blobs, "empty")
    assert (await client.put(url, content=b"")).status_code == 201
    got = await client.get(url)
    assert (got.status_code, got.content) == (200, b"")


async def test_signature_expiry_and_permission_are_checked(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    await client.put(await signed(blobs, "a"), content=b"1")

    async def refused(method: str, url: str, code: str, reason: str) -> None:
        answer = await client.request(method, url)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, code)
        assert f"<Code>{code}</Code>" in answer.text
        assert reason in answer.text

    unknown, mismatch = "AuthenticationFailed", "AuthorizationPermissionMismatch"
    await refused("GET", "/blobs/models/a", unknown, "does not fit")
    tampered = (await signed(blobs, "a", READ)).replace("sp=r", "sp=rw")
    await refused("PUT", tampered, unknown, "does not fit")
    elsewhere = (await signed(blobs, "b")).replace("/b?", "/a?")
    await refused("GET", elsewhere, unknown, "does not fit")
    await refused("PUT", await signed(blobs, "a", READ), mismatch, "needs 'w'")
    await refused("GET", await signed(blobs, "a", WRITE), mismatch, "needs 'r'")
    past = await signed(blobs, "a", READ, timedelta(seconds=-5))
    await refused("GET", past, unknown, "expired at")


async def test_what_is_not_there_or_not_offered_is_said(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    missing = await client.get(await signed(blobs, "missing"))
    assert (missing.status_code, missing.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    url = await signed(blobs, "a")
    assert (await client.post(url)).status_code == 405
    page = await client.put(url, content=b"1", headers={"x-ms-blob-type": "PageBlob"})
    assert page.status_code == 400
    for query in ("comp=tags", "snapshot=1", "comp=lease"):
        answer = await client.put(f"{url}&{query}", content=b"1")
        assert answer.headers["x-ms-error-code"] == "UnsupportedQueryParameter"


@pytest.mark.parametrize("suffix", ["core.windows.net", "core.chinacloudapi.cn"])
async def test_azures_form_of_a_url_leads_to_the_same_blob(
    client: httpx.AsyncClient, blobs: FileBlobStore, suffix: str
) -> None:
    url = await signed(blobs, "a/b.txt")
    put = await client.put(
        url.replace("/blobs/", f"/blobs.blob.{suffix}/", 1), content=b"x", headers=BLOCK_BLOB
    )
    assert put.status_code == 201, put.text
    assert (await client.get(url)).content == b"x"


async def test_no_blob_is_named_as_a_folder_is(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    """So clients tell a folder from a file."""
    await client.put(await signed(blobs, "a/b.txt"), content=b"x", headers=BLOCK_BLOB)
    url = await signed(blobs, None)
    folder = url.replace("/models?", "/models/a/?")
    for method in ("HEAD", "GET"):
        assert (await client.request(method, folder)).status_code == 404


async def test_a_write_can_ask_that_nothing_be_there(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    url = await signed(blobs, "a")
    first = {**BLOCK_BLOB, "if-none-match": "*"}
    assert (await client.put(url, content=b"1", headers=first)).status_code == 201
    assert (await client.put(url, content=b"2", headers=first)).status_code == 409
    assert (await client.get(url)).content == b"1"


async def test_content_that_is_not_what_was_sent_is_not_kept(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    url = await signed(blobs, "a")
    digest = base64.b64encode(hashlib.md5(b"whole", usedforsecurity=False).digest()).decode()
    headers = {**BLOCK_BLOB, "content-md5": digest}
    bad = await client.put(url, content=b"half", headers=headers)
    assert (bad.status_code, bad.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
    assert (await client.get(url)).status_code == 404
    assert (await client.put(url, content=b"whole", headers=headers)).status_code == 201


@pytest.mark.parametrize("name", ["..%2f..%2fsecrets%2fcipher.key", "%2e%2e/x", "a//b", "%ff", ""])
async def test_no_path_leaves_its_container(
    client: httpx.AsyncClient, blobs: FileBlobStore, name: str
) -> None:
    path, _, query = (await signed(blobs, None)).partition("?")
    url = httpx.URL(str(client.base_url).rstrip("/") + "/").copy_with(
        raw_path=f"{path}/{name}?{query}".encode()
    )
    for method in ("PUT", "GET"):
        answer = await client.request(method, url)
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("blobReader", (200, 200, 403, 403)),
        ("blobReader/containers/models", (200, 200, 403, 403)),
        ("blobReader/containers/others", (403, 403, 403, 403)),
        ("blobContributor", (200, 200, 201, 202)),
        ("reader+contributor+scorer", (403, 403, 403, 403)),
        ("nobody", (401, 401, 401, 401)),
    ],
)
async def test_a_token_opens_what_its_roles_do(
    client: httpx.AsyncClient, blobs: FileBlobStore, role: str, statuses: tuple[int, ...]
) -> None:
    await blobs.write("models", "there", b"content")
    shown = {"authorization": f"Bearer {role}"}
    answers = [
        await client.get("/blobs/models/there", headers=shown),
        await client.get("/blobs/models?restype=container&comp=list", headers=shown),
        await client.put("/blobs/models/new", headers={**shown, **BLOCK_BLOB}, content=b"x"),
        await client.delete("/blobs/models/there", headers=shown),
    ]
    assert tuple(answer.status_code for answer in answers) == statuses
    codes = {answer.headers.get("x-ms-error-code") for answer in answers}
    codes -= {None, "AuthorizationPermissionMismatch", "InvalidAuthenticationInfo"}
    assert not codes


async def test_no_token_opens_what_is_the_software_s_own(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    await blobs.write("system", "plan", b"content")
    shown = {"authorization": "Bearer blobContributor+owner"}
    for container in ("system", "System"):
        assert (await client.get(f"/blobs/{container}/plan", headers=shown)).status_code == 403


async def test_a_signature_that_is_wrong_is_not_made_good_by_a_token_nor_the_other_way_round(
    served: Served, blobs: FileBlobStore, client: httpx.AsyncClient
) -> None:
    await blobs.write("models", "there", b"content")
    shown = {"authorization": "Bearer blobContributor"}
    forged = await client.get("/blobs/models/there?sp=r&sr=b&sig=x", headers=shown)
    assert forged.status_code == 403
    # What a signed URL says of itself says nothing without its signature.
    room = ToldRoom()
    room.is_full = True
    door = BlobDoor(blobs.files, blobs.signed_urls, bearers(), room)
    async with served(prefixes=[(PREFIX, door)]) as full:
        url = "/blobs/models/new?sp=w&sr=b&sv=1"
        answer = await full.put(url, headers={**shown, **BLOCK_BLOB}, content=b"x")
        assert answer.status_code == 507


async def test_a_token_opens_azure_s_form_of_a_url_too(
    client: httpx.AsyncClient, blobs: FileBlobStore
) -> None:
    await blobs.write("models", "there", b"content")
    shown = {"authorization": "Bearer blobReader", "x-ms-version": "2019-02-02"}
    url = "/blobs.blob.core.windows.net/models/there?api-version=2019-04-01"
    answer = await client.get(url, headers=shown)
    assert answer.content == b"content", answer.text
