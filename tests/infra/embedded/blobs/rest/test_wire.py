"""The wire itself: what clients send that Azure's Python client does not, or should not."""

import socket
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from domain.ports import Permission
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest.bodies import Caps
from tests.infra.embedded.blobs.rest.conftest import Signed
from tests.kit.stages import door_stage
from tests.kit.waiting import PATIENCE, until


def spoken(url: str, head: str, *, method: str = "PUT") -> socket.socket:
    """A connection on which a request's head has been sent."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE)
    target = f"{parts.path}?{parts.query}"
    connection.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n".encode())
    return connection


def heard(connection: socket.socket, end: bytes = b"\r\n\r\n") -> bytes:
    said = b""
    while end not in said:
        piece = connection.recv(65536)
        if not piece:
            break
        said += piece
    return said


def test_a_body_is_asked_for_only_when_it_is_wanted(signed: Signed, box: Path) -> None:
    head = "content-length: 5\r\nexpect: 100-continue\r\nx-ms-blob-type: BlockBlob"
    with spoken(signed("a"), head) as connection:
        assert heard(connection).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert heard(connection).startswith(b"HTTP/1.1 201 ")
    assert (box / "a").read_bytes() == b"hello"
    for url, more in (
        (signed("a", "r"), ""),
        (signed("a"), "\r\nif-none-match: *"),
        (signed("a"), "\r\nx-ms-blob-type: PageBlob"),
        (signed("a") + "&comp=block&blockid=*", ""),
    ):
        with spoken(url, head.replace("\r\nx-ms-blob-type: BlockBlob", "") + more) as connection:
            assert heard(connection).startswith(b"HTTP/1.1 4")
            assert b"never" not in heard(connection, b"never")  # It ends: nothing else can follow.


def test_a_refused_body_is_taken_off_the_line(signed: Signed) -> None:
    with httpx.Client(timeout=PATIENCE) as client:
        for _ in range(2):
            assert client.put(signed("a", "r"), content=b"x" * 20 * 2**20).status_code == 403
        assert client.put(signed("a"), content=b"x").status_code == 201


def test_a_body_that_stops_coming_is_given_up(door: door_stage.DoorServer, tmp_path: Path) -> None:
    with door.opened(tmp_path, Caps(silence=0.2)) as store:
        url = store.signed_urls.sign("box", "a", frozenset(Permission), timedelta(hours=1))
        for more in ("", "&comp=block&blockid=YQ==", "&comp=blocklist"):
            with spoken(url + more, "content-length: 100") as connection:
                connection.sendall(b"<")
                said = heard(connection, b"</Error>")
            assert said.startswith(b"HTTP/1.1 408 "), said
            assert b"OperationTimedOut" in said
        assert not (tmp_path / "blobs" / "box").exists()


def test_a_caller_that_leaves_in_the_middle_leaves_nothing(
    store: FileBlobStore, signed: Signed, tmp_path: Path
) -> None:
    drafts = tmp_path / "blob-state" / "temp"
    for more in ("", "&comp=block&blockid=YQ=="):
        with spoken(signed("a") + more, "content-length: 9000000") as connection:
            connection.sendall(b"x" * 3_000_000)
            until(lambda: any(drafts.iterdir()) if drafts.exists() else False)
        until(lambda: not any(drafts.iterdir()))
    assert not (tmp_path / "blobs" / "box").exists()
    assert (
        httpx.get(signed("a") + "&comp=blocklist&blocklisttype=all", timeout=PATIENCE).status_code
        == 404
    )


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">'
    "]><BlockList><Latest>&b;</Latest></BlockList>"
)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "InvalidXmlDocument"),
        ("no XML", "InvalidXmlDocument"),
        ("<BlockList>", "InvalidXmlDocument"),
        ("<Blocks/>", "InvalidXmlDocument"),
        ("<BlockList><Newest>YQ==</Newest></BlockList>", "InvalidXmlDocument"),
        ("<BlockList><Latest><Latest>YQ==</Latest></Latest></BlockList>", "InvalidXmlDocument"),
        ("<BlockList>YQ==</BlockList>", "InvalidXmlDocument"),
        (f"<BlockList><Latest>{'YQ==' * 100}</Latest></BlockList>", "InvalidXmlDocument"),
        (BOMB, "InvalidXmlDocument"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><BlockList/>', "InvalidXmlDocument"),
        ("<BlockList><Latest>*</Latest></BlockList>", "InvalidBlockId"),
        ("<BlockList><Latest/></BlockList>", "InvalidBlockId"),
        ("<BlockList>" + "<Latest>YQ==</Latest>" * 50_001 + "</BlockList>", "BlockListTooLong"),
        ("\x00\x01", "InvalidXmlDocument"),
        ("<?xml version='1.0' encoding='klingon'?><BlockList/>", "InvalidXmlDocument"),
    ],
)
def test_a_block_list_that_is_none_is_refused(signed: Signed, body: str, code: str) -> None:
    answer = httpx.put(f"{signed('a')}&comp=blocklist", content=body.encode(), timeout=PATIENCE)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, code), answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": "x"}, "InvalidMd5"),
        ({"content-md5": "eA=="}, "InvalidMd5"),
        ({"x-ms-content-crc64": "AAAAAAAAAAA="}, "UnsupportedHeader"),
        ({"x-ms-structured-body": "XSM/1.0; properties=crc64"}, "UnsupportedHeader"),
        ({"x-ms-encryption-key": "x"}, "UnsupportedHeader"),
        ({"if-modified-since": "yesterday"}, "InvalidHeaderValue"),
        ({"if-unmodified-since": "Thu, 99 Jan 2026 00:00:00 GMT"}, "InvalidHeaderValue"),
        ({"x-ms-blob-content-type": "a/b\x01"}, None),
        ({"x-ms-blob-cache-control": "x" * 300}, "InvalidHeaderValue"),
        ({"x-ms-meta-": "x"}, "InvalidMetadata"),
    ],
)
def test_a_header_that_cannot_be_heeded_is_refused(
    signed: Signed, box: Path, headers: dict[str, str], code: str | None
) -> None:
    answer = httpx.put(signed("a"), content=b"x", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 400
    if code is not None:
        assert answer.headers["x-ms-error-code"] == code
    assert not box.exists()


def test_every_answer_names_its_version_and_request(signed: Signed) -> None:
    asked = {"x-ms-version": "2025-11-05", "x-ms-client-request-id": "mine-1"}
    for url in (signed("a"), signed("missing"), "/".join(signed().split("/")[:4]) + "/nowhere"):
        answer = httpx.put(url, content=b"1", headers=asked, timeout=PATIENCE)
        assert answer.headers["x-ms-version"] == "2025-11-05"
        assert answer.headers["x-ms-client-request-id"] == "mine-1"
        assert answer.headers["x-ms-request-id"]
        assert answer.headers["date"]
    plain = httpx.head(
        signed("a"), headers={"x-ms-client-request-id": "x" * 2000}, timeout=PATIENCE
    )
    assert plain.headers["x-ms-version"] == "2021-12-02"
    assert "x-ms-client-request-id" not in plain.headers
    assert plain.headers["etag"]
    assert plain.headers["last-modified"]


@pytest.mark.parametrize(
    "path",
    [
        "/blobs/",
        "/blobs//a",
        "/blobs/%2e%2e/a",
        "/blobs/%ff/a",
        "/blobs/box/%ff",
        "/blobs/box/" + "a/" * 5000,
        "/blobs/box?restype=container&comp=list&sr=c&sp=rwdl&se=2099-01-01T00:00:00Z&sig=%00%ff",
        "/blobs/box/a?sv=1&sr=b&sp=&se=&sig=",
    ],
)
def test_a_hostile_url_is_refused(
    door: door_stage.DoorServer, store: FileBlobStore, path: str
) -> None:
    for method in ("GET", "PUT", "HEAD", "DELETE", "POST", "OPTIONS", "PATCH"):
        answer = httpx.request(method, f"{door.url}{path}", timeout=PATIENCE)
        assert 400 <= answer.status_code < 500, f"{method} {answer.status_code}"
        assert answer.headers["x-ms-error-code"]
