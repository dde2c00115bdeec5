"""Listings, as Azure's client asks for them."""

import random
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobPrefix, ContainerClient
from azure.storage.blob import aio as storage

from tests.infra.embedded.blobs.rest.conftest import Signed
from tests.kit.waiting import PATIENCE

LEGAL = [
    "with space.csv",
    " leading and trailing ",
    "100%.csv",
    "%41.csv",
    "%2F%2e%2e.csv",
    "a+b&c=d;e,f@g:h$i!j'k(l)*~.csv",
    'q?uestion#hash[1]{2}|\\^`"<&amp;>.csv',
    "naïve/Größe/文件/\U0001f600.csv",
    "e\u0301 is not \u00e9",
    "\u2028separators\u2029\u00a0",
    "no character: \ufffe\uffff",
    ".hidden",
    "...",
    "-rf",
    "x" * 255,
]


def fill(box: Path, names: list[str]) -> list[str]:
    for name in names:
        path = box / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return sorted(names)


def test_every_legal_name_goes_there_and_back(container: ContainerClient, box: Path) -> None:
    for name in LEGAL:
        container.upload_blob(name, name.encode(), metadata={"a": "b"})
    found = {str(p.relative_to(box)): p.read_bytes() for p in box.rglob("*") if p.is_file()}
    assert found == {name: name.encode() for name in LEGAL}
    assert [blob.name for blob in container.list_blobs()] == sorted(LEGAL)
    assert list(container.list_blob_names()) == sorted(
        # This one is decoded by none but `list_blobs`.
        "no%20character%3A%20%EF%BF%BE%EF%BF%BF" if "\ufffe" in name else name
        for name in LEGAL
    )
    for name in LEGAL:
        assert [blob.name for blob in container.list_blobs(name)] == [name]
        assert container.download_blob(name).readall() == name.encode()
        assert container.get_blob_client(name).get_blob_properties().name == name
        container.delete_blob(name)
    assert list(container.list_blobs()) == []


async def test_thousands_of_blobs_come_page_by_page(
    aio_container: storage.ContainerClient, box: Path
) -> None:
    names = [f"{n % 23}/{n:05}" for n in range(5500)]
    wanted = fill(box, random.Random(1).sample(names, len(names)))
    pages = [
        [blob.name async for blob in page] async for page in aio_container.list_blobs().by_page()
    ]
    assert [len(page) for page in pages] == [5000, 500]
    assert list(chain(*pages)) == wanted
    some = [
        [blob.name async for blob in page]
        async for page in aio_container.list_blobs(
            name_starts_with="17/", results_per_page=100
        ).by_page()
    ]
    assert list(chain(*some)) == [name for name in wanted if name.startswith("17/")]
    assert {len(page) for page in some[:-1]} == {100}


def test_a_listing_goes_on_though_its_blobs_come_and_go(
    container: ContainerClient, box: Path
) -> None:
    fill(box, ["b", "c/1", "c/2", "d"])
    pages: Any = container.list_blobs(results_per_page=2).by_page()
    assert [blob.name for blob in next(pages)] == ["b", "c/1"]
    (box / "c" / "2").unlink()
    fill(box, ["a", "c/3"])
    token = pages.continuation_token
    again: Any = container.list_blobs(results_per_page=2).by_page(token)
    assert [blob.name for blob in next(again)] == ["c/3", "d"]
    assert again.continuation_token is None


def test_levels_are_walked(container: ContainerClient, box: Path) -> None:
    fill(box, ["a", "b/1", "b/2/3", "b-", "c/x/y", "d"])
    (box / "empty" / "folder").mkdir(parents=True)

    def walked(start: str | None = None, delimiter: str = "/", most: int = 100) -> list[str]:
        found = container.walk_blobs(start, delimiter=delimiter, results_per_page=most)
        return sorted(f"{type(one).__name__} {one.name}" for one in found)

    top = ["BlobPrefix b/", "BlobPrefix c/", "BlobProperties a", "BlobProperties b-"]
    assert walked() == sorted([*top, "BlobProperties d"])
    assert walked(most=1) == walked(most=2) == walked()
    assert walked("b/") == ["BlobPrefix b/2/", "BlobProperties b/1"]
    assert walked("b") == ["BlobPrefix b/", "BlobProperties b-"]
    assert walked("c/") == ["BlobPrefix c/x/"]
    assert walked("empty/") == walked("x") == []
    assert walked(delimiter="2/", most=2) == [
        "BlobPrefix b/2/",
        *(f"BlobProperties {name}" for name in ("a", "b-", "b/1", "c/x/y", "d")),
    ]
    (below,) = [one for one in container.walk_blobs() if one.name == "c/"]
    assert isinstance(below, BlobPrefix)
    assert [one.name for one in below] == ["c/x/"]


def test_a_walk_in_pages_is_complete(container: ContainerClient, box: Path) -> None:
    fill(box, [f"{n:03}/x" if n % 3 else f"{n:03}" for n in range(120)])
    for most in (7, 50):
        found = [one.name for one in container.walk_blobs(results_per_page=most)]
        assert sorted(found) == [f"{n:03}/" if n % 3 else f"{n:03}" for n in range(120)]


def test_an_empty_or_missing_container_lists_nothing(container: ContainerClient) -> None:
    assert list(container.list_blobs()) == []
    assert list(container.walk_blobs()) == []


def test_metadata_comes_when_asked_for(container: ContainerClient) -> None:
    container.upload_blob("a", b"", metadata={"k": '<&">', "_": "2"})
    (plain,) = container.list_blobs()
    (full,) = container.list_blobs(include=["metadata", "snapshots", "deleted", "tags"])
    assert (plain.metadata, full.metadata) == ({}, {"k": '<&">', "_": "2"})


def test_what_is_no_blob_is_not_listed(container: ContainerClient, box: Path) -> None:
    fill(box, ["a"])
    container.get_blob_client("staged").stage_block("1", b"x")
    (box / "link").symlink_to("/etc/passwd")
    assert [blob.name for blob in container.list_blobs()] == ["a"]
    with pytest.raises(HttpResponseError):
        list(container.list_blobs(include=["uncommittedblobs"]))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=-1", "InvalidQueryParameterValue"),
        ("maxresults=1e3", "InvalidQueryParameterValue"),
        ("marker=*", "InvalidQueryParameterValue"),
        ("marker=/w==", "InvalidQueryParameterValue"),
        ("include=everything", "InvalidQueryParameterValue"),
        ("startfrom=a", "UnsupportedQueryParameter"),
        ("&".join("prefix=a" for _ in range(60)), "InvalidUri"),
    ],
)
def test_a_listing_that_cannot_be_is_refused(signed: Signed, query: str, code: str) -> None:
    answer = httpx.get(f"{signed()}&restype=container&comp=list&{query}", timeout=PATIENCE)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, code)


@pytest.mark.parametrize("prefix", ["/", "//", "..", "../", "a/../b", "%00", "%ff", "a" * 5000])
def test_a_hostile_prefix_finds_nothing(signed: Signed, box: Path, prefix: str) -> None:
    fill(box, ["a/b"])
    for more in ("", "&delimiter=/"):
        answer = httpx.get(
            f"{signed()}&restype=container&comp=list&prefix={prefix}{more}", timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text
        assert "<Blobs></Blobs>" in answer.text
