from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from domain import errors
from domain.ports import Permission
from infra.embedded.blobs.signed_urls import SignedUrls
from tests.kit.clocks import HeldClock

READ, WRITE, LIST = Permission.READ, Permission.WRITE, Permission.LIST
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC).timestamp())


@pytest.fixture
def urls(clock: HeldClock) -> SignedUrls:
    return SignedUrls("https://127.0.0.1:7443/", b"k" * 32, now=clock.now)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_url_names_its_blob_and_carries_its_permission(urls: SignedUrls) -> None:
    url = urls.sign("system", "a b/ü#?.csv", frozenset({WRITE, READ}), HOUR)
    assert url.startswith("https://127.0.0.1:7443/blobs/system/a%20b/%C3%BC%23%3F.csv?")
    query = query_of(url)
    assert (query["sr"], query["sp"], query["se"]) == ("b", "rw", "2030-01-01T13:00:01Z")
    urls.verify(READ, "system", unquote("a%20b/%C3%BC%23%3F.csv"), query)
    urls.verify(WRITE, "system", "a b/ü#?.csv", query)


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


def test_another_key_signs_differently(urls: SignedUrls, clock: HeldClock) -> None:
    other = SignedUrls("https://127.0.0.1:7443", b"j" * 32, now=clock.now)
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
