import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from domain import errors
from domain.ports import Permission
from infra.embedded.blobs.revocations import Revocations
from infra.embedded.blobs.signed_urls import SignedUrls
from tests.kit.clocks import HeldClock

READ, WRITE, LIST = Permission.READ, Permission.WRITE, Permission.LIST
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC).timestamp())


@pytest.fixture
def revocations(tmp_path: Path) -> Revocations:
    return Revocations(tmp_path)


@pytest.fixture
def urls(clock: HeldClock, revocations: Revocations) -> SignedUrls:
    return SignedUrls("https://127.0.0.1:7443/", b"k" * 32, now=clock.now, revocations=revocations)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_url_names_its_blob_and_carries_its_permission(urls: SignedUrls) -> None:
    url = urls.sign("system", "a b/ü#?.csv", frozenset({WRITE, READ}), HOUR)
    assert url.startswith("https://127.0.0.1:7443/blobs/system/a%20b/%C3%BC%23%3F.csv?")
    query = query_of(url)
    assert (query["sr"], query["sp"], query["se"]) == ("b", "rw", "2030-01-01T13:00:01Z")
    urls.verify(READ, "system", unquote("a%20b/%C3%BC%23%3F.csv"), query)
    urls.verify(WRITE, "system", "a b/ü#?.csv", query)


def test_urls_that_are_made_together_are_each_for_one_blob(urls: SignedUrls) -> None:
    first, second = urls.sign_each([("system", "a"), ("system", "b")], frozenset({READ}), HOUR)
    assert query_of(first)["si"] == query_of(second)["si"]
    urls.verify(READ, "system", "a", query_of(first))
    urls.verify(READ, "system", "b", query_of(second))
    with pytest.raises(errors.Forbidden):
        urls.verify(READ, "system", "b", query_of(first))
    assert urls.sign_each([], frozenset({READ}), HOUR) == []


def test_a_permission_that_was_not_given_is_refused(urls: SignedUrls) -> None:
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    with pytest.raises(errors.Forbidden, match="permits 'r'"):
        urls.verify(WRITE, "system", "a", query)


def test_an_expired_url_is_refused(urls: SignedUrls, clock: HeldClock) -> None:
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    clock.move(HOUR.total_seconds())
    urls.verify(READ, "system", "a", query)
    clock.move(1)
    with pytest.raises(errors.Forbidden, match="expired"):
        urls.verify(READ, "system", "a", query)


def test_a_blobs_url_is_for_that_blob(urls: SignedUrls) -> None:
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    for container, name in (("system", "b"), ("other", "a"), ("system", None), ("system", "a/b")):
        with pytest.raises(errors.Forbidden, match="signature"):
            urls.verify(READ, container, name, query)


def test_a_containers_url_is_for_all_its_blobs(urls: SignedUrls) -> None:
    query = query_of(urls.sign("system", None, frozenset({READ, LIST}), HOUR))
    urls.verify(READ, "system", "a/b", query)
    urls.verify(LIST, "system", None, query)
    with pytest.raises(errors.Forbidden):
        urls.verify(READ, "other", "a/b", query)


@pytest.mark.parametrize(
    "change",
    [
        {"sp": "rwdl"},
        {"se": "2099-01-01T00:00:00Z"},
        {"sr": "c"},
        {"sv": "2"},
        {"sig": ""},
        {"sig": "é\ud800"},
        {"sp": "r\n2030-01-01T13:00:01Z", "se": "system"},
    ],
)
def test_a_changed_url_is_refused(urls: SignedUrls, change: dict[str, str]) -> None:
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    with pytest.raises(errors.Forbidden, match="signature"):
        urls.verify(READ, "system", "a", query | change)


def test_a_url_without_a_signature_is_refused(urls: SignedUrls) -> None:
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    for field in query:
        without = {name: value for name, value in query.items() if name != field}
        with pytest.raises(errors.Forbidden):
            urls.verify(READ, "system", "a", without)
    with pytest.raises(errors.Forbidden):
        urls.verify(READ, "system", "a", {})


def test_another_key_signs_differently(
    urls: SignedUrls, clock: HeldClock, revocations: Revocations
) -> None:
    base = "https://127.0.0.1:7443"
    other = SignedUrls(base, b"j" * 32, now=clock.now, revocations=revocations)
    query = query_of(urls.sign("system", "a", frozenset({READ}), HOUR))
    with pytest.raises(errors.Forbidden):
        other.verify(READ, "system", "a", query)


def test_only_this_stores_urls_are_located(urls: SignedUrls) -> None:
    assert urls.locate("https://127.0.0.1:7443/blobs/system/a%2Bb") == ("system", "a+b")
    assert urls.locate("HTTPS://127.0.0.1:7443/blobs/system/") == ("system", "")
    for foreign in (
        "http://127.0.0.1:7443/blobs/system/a",
        "https://127.0.0.1/blobs/system/a",
        "https://127.0.0.1:7443/blob/system/a",
        "https://x@127.0.0.1:7443/blobs/system/a",
        "https://127.0.0.1:7443/blobs/SYSTEM/a",
        "https://127.0.0.1:7443/blobs/",
        "https://127.0.0.1:99999/blobs/system/a",
    ):
        assert urls.locate(foreign) is None, foreign


def test_a_url_is_taken_back_alone(urls: SignedUrls, revocations: Revocations) -> None:
    one, other = (query_of(urls.sign("system", None, frozenset({READ}), HOUR)) for _ in range(2))
    revocations.revoke(one["si"])
    with pytest.raises(errors.Forbidden) as caught:
        urls.verify(READ, "system", "a", one)
    assert caught.value.code == "RevokedSignature"
    urls.verify(READ, "system", "a", other)
    with pytest.raises(errors.Forbidden):
        urls.verify(READ, "system", "a", {**one, "si": other["si"]})
    with pytest.raises(errors.Forbidden):
        urls.verify(READ, "system", "a", {k: v for k, v in one.items() if k != "si"})


@pytest.mark.parametrize("id", ["", "../../secrets/clients", "a/b", "x" * 65])
def test_what_is_no_id_is_not_taken_back(revocations: Revocations, id: str) -> None:
    with pytest.raises(errors.Invalid):
        revocations.revoke(id)


def test_a_container_closed_to_writers_is_read_on(
    urls: SignedUrls, revocations: Revocations
) -> None:
    everything = frozenset({READ, WRITE, Permission.DELETE, LIST})
    query = query_of(urls.sign("uploads", None, everything, HOUR))
    elsewhere = query_of(urls.sign("uploads-2", None, everything, HOUR))
    revocations.close("uploads")
    for permission in (WRITE, Permission.DELETE):
        with pytest.raises(errors.Forbidden) as caught:
            urls.verify(permission, "uploads", "a", query)
        assert caught.value.code == "UploadClosed"
        urls.verify(permission, "uploads-2", "a", elsewhere)
    urls.verify(READ, "uploads", "a", query)


def test_what_was_taken_back_is_forgotten_once_no_url_of_that_age_is_good(
    revocations: Revocations, tmp_path: Path
) -> None:
    revocations.revoke("old")
    for file in tmp_path.iterdir():
        os.utime(file, (1, 1))
    revocations.revoke("new")
    revocations.sweep()
    revocations.check("old")
    with pytest.raises(errors.Forbidden):
        revocations.check("new")
