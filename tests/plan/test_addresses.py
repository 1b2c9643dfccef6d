"""Addresses: what leads inside is known, however it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.addresses import why_not_public

any_4 = st.ip_addresses(v=4)
any_6 = st.ip_addresses(v=6)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.0.1", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "::127.0.0.1", "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2606:4700::1111%eth0", "", "localhost",
        "127.1", "0x7f000001", "2130706433", "1.2.3.4/32",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet_is_told_apart(address: str) -> None:
    assert why_not_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "169.253.1.1", "2606:4700::1111",
     "::ffff:8.8.8.8", "64:ff9b::808:808"],
)  # fmt: skip
def test_public_addresses_are_public(address: str) -> None:
    assert why_not_public(address) is None


@given(st.one_of(any_4, any_6))
def test_nothing_is_public_that_the_standard_library_knows_to_be_special(
    address: IPv4Address | IPv6Address,
) -> None:
    special = (
        address.is_private, address.is_loopback, address.is_link_local, address.is_multicast,
        address.is_reserved, address.is_unspecified,
    )  # fmt: skip
    translated = isinstance(address, IPv6Address) and address in ip_network("64:ff9b::/96")
    if any(special) and not translated and getattr(address, "ipv4_mapped", None) is None:
        assert why_not_public(str(address))


@given(any_4)
def test_an_address_inside_another_one_is_judged_by_itself(address: IPv4Address) -> None:
    verdict = why_not_public(str(address))
    low = int(address)
    assert why_not_public(str(IPv6Address((0xFFFF << 32) | low))) == verdict
    assert why_not_public(str(IPv6Address((0x64FF9B << 96) | low))) == verdict
    assert why_not_public(str(IPv6Address((0x2002 << 112) | (low << 80)))), "a tunnel"
    if verdict is not None:
        assert why_not_public(str(IPv6Address(low))), "the deprecated form"


@given(st.text(max_size=40))
def test_any_text_has_a_verdict(text: str) -> None:
    verdict = why_not_public(text)
    assert verdict is None or isinstance(verdict, str)
