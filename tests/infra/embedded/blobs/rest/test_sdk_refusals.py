"""What is not allowed or not offered, as the exceptions of Azure's client."""

from collections.abc import Callable

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobType, ContainerClient, StandardBlobTier

from tests.infra.embedded.blobs.rest.conftest import SDK, Signed
from tests.kit.waiting import PATIENCE

Deed = Callable[[ContainerClient], object]

DEEDS: dict[str, tuple[str, Deed]] = {
    "get": ("r", lambda c: c.download_blob("a").readall()),
    "head": ("r", lambda c: c.get_blob_client("a").get_blob_properties()),
    "blocks": ("r", lambda c: c.get_blob_client("a").get_block_list("all")),
    "put": ("w", lambda c: c.upload_blob("a", b"2", overwrite=True)),
    "stage": ("w", lambda c: c.get_blob_client("a").stage_block("1", b"2")),
    "commit": ("w", lambda c: c.get_blob_client("a").commit_block_list([])),
    "metadata": ("w", lambda c: c.get_blob_client("a").set_blob_metadata({"a": "b"})),
    "headers": ("w", lambda c: c.get_blob_client("a").set_http_headers()),
    "create": ("w", lambda c: c.create_container()),
    "list": ("l", lambda c: list(c.list_blobs())),
    "delete": ("d", lambda c: c.delete_blob("a")),
}


def code_of(error: HttpResponseError) -> str:
    code = error.error_code  # type: ignore[attr-defined]
    return str(getattr(code, "value", code))


@pytest.mark.parametrize("deed", DEEDS)
def test_each_deed_needs_its_permission(
    container: ContainerClient, signed: Signed, deed: str
) -> None:
    needed, do = DEEDS[deed]
    if deed != "create":
        container.upload_blob("a", b"1")
    others = "".join(set("rwdl") - {needed})
    with (
        ContainerClient.from_container_url(signed(None, others), **SDK) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        do(client)
    assert raised.value.status_code == 403
    assert code_of(raised.value) == "AuthorizationPermissionMismatch"
    with ContainerClient.from_container_url(signed(None, needed), **SDK) as client:
        do(client)


def test_an_unsigned_tampered_or_expired_url_opens_nothing(signed: Signed) -> None:
    whole = signed()
    for url, reason in (
        (whole.partition("?")[0], "does not fit"),
        (whole.replace("/box?", "/other-box?"), "does not fit"),
        (whole.replace("se=2", "se=3"), "does not fit"),
        (signed(None, "r").replace("sp=r", "sp=rwdl"), "does not fit"),
        (signed(expires=-1), "expired at"),
    ):
        with ContainerClient.from_container_url(url, **SDK) as client:
            for deed, (_, do) in DEEDS.items():
                with pytest.raises(ClientAuthenticationError) as raised:
                    do(client)
                assert deed == "head" or reason in str(raised.value)
                assert code_of(raised.value) == "AuthenticationFailed"
                assert raised.value.status_code == 403


def test_a_blobs_own_url_opens_that_blob_alone(container: ContainerClient, signed: Signed) -> None:
    container.upload_blob("a", b"1")
    container.upload_blob("b", b"2")
    with BlobClient.from_blob_url(signed("a"), **SDK) as blob:
        assert blob.download_blob().readall() == b"1"
        blob.upload_blob(b"3", overwrite=True)
    query = signed("a").partition("?")[2]
    base = container.url.partition("?")[0]
    for elsewhere in ("/b?", "?restype=container&comp=list&", "/a/?", "/A?"):
        answer = httpx.get(f"{base}{elsewhere}{query}", timeout=PATIENCE)
        assert answer.status_code == 403, elsewhere


def test_a_container_is_there_and_may_be_made_once(container: ContainerClient) -> None:
    assert container.exists()
    made = container.create_container()
    assert container.get_container_properties().etag == made["etag"]
    with pytest.raises(ResourceExistsError) as raised:
        container.create_container()
    assert code_of(raised.value) == "ContainerAlreadyExists"
    with pytest.raises(HttpResponseError) as refused:
        container.delete_container()
    assert refused.value.status_code == 405
    with pytest.raises(HttpResponseError):
        container.set_container_metadata({"a": "b"})


def test_what_is_not_offered_is_refused_and_said(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    blob.upload_blob(b"1")
    copied = f"{blob.url}&x=1"
    for status, code, attempt in (
        (400, "UnsupportedQueryParameter", lambda: blob.upload_blob(b"x", BlobType.APPENDBLOB)),
        (400, "InvalidHeaderValue", lambda: blob.upload_blob(b"x" * 512, BlobType.PAGEBLOB)),
        (501, "NotSupported", lambda: blob.start_copy_from_url(copied)),
        (501, "NotSupported", lambda: blob.upload_blob_from_url(copied, overwrite=True)),
        (501, "NotSupported", lambda: blob.stage_block_from_url("1", copied)),
        (400, "UnsupportedQueryParameter", blob.create_snapshot),
        (400, "UnsupportedQueryParameter", blob.acquire_lease),
        (400, "UnsupportedQueryParameter", lambda: blob.set_blob_tags({"a": "b"})),
        (
            400,
            "UnsupportedQueryParameter",
            lambda: blob.set_standard_blob_tier(StandardBlobTier.COOL),
        ),
        (400, "UnsupportedHeader", lambda: blob.upload_blob(b"", overwrite=True, tags={"a": "b"})),
        (400, "UnsupportedHeader", lambda: blob.get_blob_properties(if_tags_match_condition="a=1")),
        (400, "UnsupportedHeader", lambda: blob.delete_blob(lease="0" * 32)),
    ):
        with pytest.raises(HttpResponseError) as raised:
            attempt()
        assert (raised.value.status_code, code_of(raised.value)) == (status, code)
    assert blob.download_blob().readall() == b"1"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("a//b", 400, "InvalidResourceName"),
        ("a/", 400, "InvalidResourceName"),
        ("line\nfeed", 400, "InvalidResourceName"),
        ("x" * 1025, 400, "InvalidResourceName"),
        ("é" * 200, 400, "InvalidResourceName"),
        ("there/below", 409, "ResourceTypeMismatch"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    container: ContainerClient, name: str, status: int, code: str
) -> None:
    container.upload_blob("there", b"1")
    with pytest.raises(HttpResponseError) as raised:
        container.upload_blob(name, b"2")
    assert (raised.value.status_code, code_of(raised.value)) == (status, code)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"1a": "x"}, "InvalidMetadata"),
        ({"a-b": "x"}, "InvalidMetadata"),
        ({"a": "\u00fc"}, "InvalidMetadata"),
        ({"a": "x" * 9000}, "MetadataTooLarge"),
    ],
)
def test_metadata_that_cannot_be_is_refused(
    container: ContainerClient, metadata: dict[str, str], code: str
) -> None:
    with pytest.raises(HttpResponseError) as raised:
        container.upload_blob("a", b"1", metadata=metadata)
    assert (raised.value.status_code, code_of(raised.value)) == (400, code)
    assert not container.get_blob_client("a").exists()
