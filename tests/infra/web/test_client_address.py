from ipaddress import ip_network
from typing import Any

import pytest

from infra.web.client_address import HeaderFamily, TrustedProxies

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def settled(
    peer: str, *headers: tuple[str, str], family: HeaderFamily = "x-forwarded", times: int = 1
) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "client": (peer, 4711),
        "scheme": "http",
        "headers": [(b"host", b"inside:7443")]
        + [(name.encode(), value.encode()) for name, value in headers],
    }
    for _ in range(times):
        TrustedProxies(NETWORKS, family).settle(scope)
    return {
        "client": scope["client"][0],
        "scheme": scope["scheme"],
        "host": dict(scope["headers"])[b"host"].decode(),
        "origin": scope.get("state", {}).get("origin"),
    }


X = (
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "ml.example"),
)


def test_a_trusted_proxy_is_believed() -> None:
    assert settled("10.1.2.3", *X) == {
        "client": "203.0.113.9",
        "scheme": "https",
        "host": "ml.example",
        "origin": "https://ml.example",
    }


def test_nobody_else_is() -> None:
    unmoved = {"client": "192.0.2.1", "scheme": "http", "host": "inside:7443", "origin": None}
    assert settled("192.0.2.1", *X) == unmoved
    forwarded = ("forwarded", "for=203.0.113.9;proto=https;host=ml.example")
    assert settled("192.0.2.1", forwarded, family="forwarded") == unmoved


def test_the_other_family_of_headers_is_the_callers_own() -> None:
    assert settled("10.1.2.3", ("forwarded", "for=203.0.113.9;host=evil.example")) == {
        "client": "10.1.2.3",
        "scheme": "http",
        "host": "inside:7443",
        "origin": None,
    }
    assert settled("10.1.2.3", *X, family="forwarded")["client"] == "10.1.2.3"


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the first is what the caller says of itself
        ("1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.4.4.4, 10.9.9.9", "10.4.4.4"),
        ("203.0.113.9:5511", "203.0.113.9"),
        ("[2001:db8::7]:5511", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, unknown", "10.1.2.3"),
        ("203.0.113.9, unknown, 10.9.9.9", "10.9.9.9"),
        ("", "10.1.2.3"),
        ("no address at all", "10.1.2.3"),
    ],
)
def test_the_client_is_the_last_that_a_trusted_proxy_saw(given: str, client: str) -> None:
    assert settled("10.1.2.3", ("x-forwarded-for", given))["client"] == client


def test_more_header_lines_are_one_list() -> None:
    lines = ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9, 10.9.9.9")
    assert settled("10.1.2.3", *lines)["client"] == "203.0.113.9"


def test_scheme_and_host_are_those_of_the_hop_that_the_client_came_by() -> None:
    found = settled(
        "10.1.2.3",
        ("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.9.9.9"),
        ("x-forwarded-proto", "ftp, https, http"),
        ("x-forwarded-host", "evil.example, ml.example, inner.example"),
    )
    assert (found["scheme"], found["host"]) == ("https", "ml.example")


@pytest.mark.parametrize(
    ("given", "client", "origin"),
    [
        ("for=203.0.113.9;proto=https;host=ml.example", "203.0.113.9", "https://ml.example"),
        ('For="[2001:db8::7]:4711"; Proto=https ;host="ml.example:8443"', "2001:db8::7", None),
        ('for=1.1.1.1, for="203.0.113.9";by=10.1.2.3, for=10.9.9.9', "203.0.113.9", None),
        ("for=_hidden;host=ml.example", "10.1.2.3", "http://ml.example"),
        ('for="1.1.1.1, for=2.2.2.2"', "10.1.2.3", None),
        ('for="203.0.113.9", host="ml.example', "10.1.2.3", None),
        (r'for=203.0.113.9;host="ml\.example"', "203.0.113.9", "http://ml.example"),
        (";;=,for=203.0.113.9;;", "203.0.113.9", None),
    ],
)
def test_forwarded_is_read_as_the_rfc_has_it(given: str, client: str, origin: str | None) -> None:
    found = settled("10.1.2.3", ("forwarded", given), family="forwarded")
    assert found["client"] == client
    if origin:
        assert found["origin"] == origin


@pytest.mark.parametrize("host", ["evil.example/path", "a b", "x\r\nset-cookie: a", "", "h:port"])
def test_what_is_no_host_is_not_taken_for_one(host: str) -> None:
    found = settled("10.1.2.3", ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", host))
    assert (found["host"], found["origin"]) == ("inside:7443", None)


@pytest.mark.parametrize("text", ["a" * 60_000, '"\\' * 30_000, "for=;" * 12_000, "=" * 60_000])
def test_what_a_caller_puts_before_costs_no_more_than_it_is_long(text: str) -> None:
    """Were it looked at anew from each of its characters, this would take minutes."""
    value = f"{text}, for=10.9.9.9"
    for found in (
        settled("10.1.2.3", ("forwarded", value), family="forwarded"),
        settled("10.1.2.3", ("x-forwarded-for", value)),
    ):
        assert found["client"] in ("10.1.2.3", "10.9.9.9")


def test_settling_twice_changes_nothing_more() -> None:
    for given in ("1.1.1.1, 203.0.113.9", "10.4.4.4, 10.9.9.9"):
        headers = (("x-forwarded-for", given), *X[1:])
        assert settled("10.1.2.3", *headers, times=2) == settled("10.1.2.3", *headers)


def test_without_trusted_proxies_nothing_is_looked_at() -> None:
    assert not TrustedProxies((), "x-forwarded").has_proxies
