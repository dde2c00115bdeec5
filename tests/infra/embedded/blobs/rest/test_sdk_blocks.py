"""Blocks, as Azure's client stages, lists and commits them."""

import base64
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient

from domain.ports import Permission
from infra.embedded.blobs.rest.bodies import Caps
from tests.infra.embedded.blobs.rest.conftest import Signed
from tests.kit.stages import door_stage
from tests.kit.waiting import PATIENCE


@pytest.fixture
def blob(container: ContainerClient) -> BlobClient:
    return container.get_blob_client("out/rows.csv")


def shown(blob: BlobClient, kind: str = "all") -> tuple[list[tuple[str, int]], ...]:
    """Committed and uncommitted ids with their sizes."""
    return tuple(
        [(str(block.id), block.size or 0) for block in blocks]
        for blocks in blob.get_block_list(kind)
    )


def test_blocks_are_listed_as_they_wait_and_as_they_were_committed(blob: BlobClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        blob.get_block_list("all")
    blob.stage_block("b", b"22")
    blob.stage_block("a", b"1")
    blob.stage_block("c", b"333")
    with pytest.raises(ResourceNotFoundError):
        blob.get_block_list("committed")
    assert shown(blob) == ([], [("a", 1), ("b", 2), ("c", 3)])
    assert not blob.exists()
    blob.commit_block_list([BlobBlock("c"), BlobBlock("a")])
    assert shown(blob) == ([("c", 3), ("a", 1)], [])
    blob.stage_block("d", b"4444")
    assert shown(blob, "committed") == ([("c", 3), ("a", 1)], [])
    assert shown(blob, "uncommitted") == ([], [("d", 4)])


def test_a_list_may_name_where_a_block_is(blob: BlobClient, signed: Signed) -> None:
    blob.stage_block("a", b"old")
    blob.stage_block("b", b"B")
    blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    blob.stage_block("a", b"new")
    listed = commit(
        signed, ("Committed", "a"), ("Latest", "b"), ("Uncommitted", "a"), ("Latest", "a")
    )
    assert listed.status_code == 201, listed.text
    assert blob.download_blob().readall() == b"oldBnewnew"


def test_what_is_not_where_it_is_said_to_be_is_refused(blob: BlobClient, signed: Signed) -> None:
    blob.stage_block("a", b"1")
    blob.stage_block("c", b"1")
    blob.commit_block_list([BlobBlock("a")])
    for missing in (("Uncommitted", "a"), ("Latest", "x"), ("Latest", "c")):
        listed = commit(signed, ("Latest", "a"), missing)
        assert (listed.status_code, listed.headers["x-ms-error-code"]) == (400, "InvalidBlockList")
    blob.stage_block("d", b"1")
    listed = commit(signed, ("Committed", "d"))
    assert (listed.status_code, listed.headers["x-ms-error-code"]) == (400, "InvalidBlockList")
    assert blob.download_blob().readall() == b"1"


def test_putting_the_blob_drops_its_uncommitted_blocks(blob: BlobClient) -> None:
    blob.stage_block("a", b"1")
    blob.upload_blob(b"whole")
    assert shown(blob) == ([], [])


@pytest.mark.parametrize(
    ("id", "content", "code"),
    [
        ("longer", b"x", "InvalidBlobOrBlock"),
        ("x" * 65, b"x", "InvalidBlockId"),
        ("b", b"", "InvalidHeaderValue"),
    ],
)
def test_what_azure_refuses_of_a_block_is_refused(
    blob: BlobClient, id: str, content: bytes, code: str
) -> None:
    blob.stage_block("a", b"1")
    with pytest.raises(HttpResponseError) as raised:
        blob.stage_block(id, content)
    assert (raised.value.status_code, _code(raised.value)) == (400, code)
    assert shown(blob) == ([], [("a", 1)])


def test_ids_may_be_any_bytes(blob: BlobClient, signed: Signed) -> None:
    ids = [base64.b64encode(bytes(raw)).decode() for raw in ([255] * 3, [0, 1, 2], [0x2F] * 3)]
    url = signed("out/rows.csv")
    for n, id in enumerate(ids):
        put = httpx.put(
            url,
            params={**_query(url), "comp": "block", "blockid": id},
            content=b"%d" % n,
            timeout=PATIENCE,
        )
        assert put.status_code == 201, put.text
    told = httpx.get(
        url, params={**_query(url), "comp": "blocklist", "blocklisttype": "all"}, timeout=PATIENCE
    )
    assert all(f"<Name>{id}</Name>" in told.text for id in ids)
    names = "".join(f"<Uncommitted>{id}</Uncommitted>" for id in ids)
    body = f"<?xml version='1.0'?><BlockList>{names}</BlockList>"
    listed = httpx.put(
        url, params={**_query(url), "comp": "blocklist"}, content=body, timeout=PATIENCE
    )
    assert listed.status_code == 201, listed.text
    assert blob.download_blob().readall() == b"012"


def test_more_than_the_caps_is_refused(door: door_stage.DoorServer, tmp_path: Path) -> None:
    with door.opened(tmp_path, Caps(blob=100, block=50, block_list=1000)) as store:
        everything = frozenset(Permission)
        url = store.signed_urls.sign("box", "a", everything, timedelta(hours=1))

        def put(size: int, comp: str, *, chunked: bool = False) -> httpx.Response:
            content = b" " * size
            return httpx.put(
                url,
                params={**_query(url), **({"comp": comp, "blockid": "YQ=="} if comp else {})},
                content=iter([content]) if chunked else content,
                timeout=PATIENCE,
            )

        for size, comp in ((101, ""), (51, "block"), (1001, "blocklist")):
            for chunked in (False, True):
                answer = put(size, comp, chunked=chunked)
                assert answer.status_code == 413, answer.text
                assert answer.headers["x-ms-error-code"] == "RequestBodyTooLarge"
        assert put(100, "").status_code == put(50, "block").status_code == 201
        assert not list((tmp_path / "blob-state" / "temp").iterdir())


def commit(signed: Signed, *blocks: tuple[str, str]) -> httpx.Response:
    """By hand: Azure's client says `Latest` of every block, whatever its state."""
    named = "".join(
        f"<{place}>{base64.b64encode(id.encode()).decode()}</{place}>" for place, id in blocks
    )
    url = signed("out/rows.csv")
    return httpx.put(
        f"{url}&comp=blocklist", content=f"<BlockList>{named}</BlockList>", timeout=PATIENCE
    )


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def _code(error: HttpResponseError) -> str:
    code = error.error_code  # type: ignore[attr-defined]
    return str(getattr(code, "value", code))
