"""Whom limits by address take an address for."""

from ipaddress import ip_network

import pytest

from domain.audit.counted_address import counted_as


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_an_address_counts_as_what_one_caller_has(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:9::1"])
def test_a_proxys_address_is_nobodys(address: str) -> None:
    proxies = [ip_network("10.1.0.0/16"), ip_network("2001:db8:9::/48")]
    assert counted_as(address, proxies) == ""
    assert counted_as("10.2.2.3", proxies) == "10.2.2.3"
