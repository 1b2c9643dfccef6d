"""Addresses of the web, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.errors import Refused
from boardsync.plan.names import NAME_MAX, safe_name
from boardsync.servers.elsewhere.location import is_address, locate, shown


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("http://Example.ORG/a", "example.org", 80),
        ("https://example.org./a", "example.org.", 443),
        ("https://bücher.example:8443", "xn--bcher-kva.example", 8443),
        ("HTTP://192.0.2.1/", "192.0.2.1", 80),
        ("http://127。0。0。1/", "127.0.0.1", 80),
        ("http://[2001:DB8:0::1]:8080/", "2001:db8::1", 8080),
        ("http://[::ffff:127.0.0.1]/", "::ffff:7f00:1", 80),
    ],
)
def test_a_host_has_one_form(address: str, host: str, port: int) -> None:
    location = locate(address)
    assert (location.host, location.port) == (host, port)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://example.org/a.png", "only http"),
        ("file:///etc/passwd", "only http"),
        ("gopher://127.0.0.1:6379/_x", "only http"),
        ("http:///a.png", "only http"),
        ("http://ann:secret@example.org/", "holds a login"),
        ("http://ann@example.org/", "holds a login"),
        (r"http://example.org\@inside.test/", "holds a login"),
        ("http://0177.0.0.1/", "cannot be read"),
        ("http://0x7f.1/", "is a number"),
        ("http://0x7f000001/", "is a number"),
        ("http://2130706433/", "is a number"),
        ("http://127.1/", "is a number"),
        ("http://127.0.0.1./", "is a number"),
        ("http://1.2.3.4.5/", "is a number"),
        ("http://256.0.0.1/", "cannot be read"),
        ("http://[fe80::1%25eth0]/", "no IPv6 address"),
        ("http://[fe80::%eth\u00e9]/", "cannot be read"),
        ("http://[fe80::%\udcff]/", "cannot be read"),
        ("http://%31%32%37.0.0.1/", "no name of a machine"),
        ("http://a b/", "no name of a machine"),
        ("http://a..b/", "no name of a machine"),
        ("http://example.org:25/", "port 25"),
        ("http://example.org:0/", "port 0"),
        ("http://example.org:99999/", "port 99999"),
        ("http://example.org:x/", "cannot be read"),
        ("http://exa\r\nmple.org/", "cannot be read"),
        ("http://example.org/" + "a" * 9000, "longer than"),
    ],
)
def test_what_readers_could_read_differently_is_refused(address: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        locate(address)
    assert "secret" not in str(caught.value)


def test_files_are_not_addresses() -> None:
    texts = ("http://h/a", "FTP://h", "data:image/png", "a/b://c", "C:/a.png")
    assert [is_address(text) for text in texts] == [True, True, False, False, False]


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown("https://ann:pw@h/a/b.png?key=1#part") == "https://h/a/b.png?..."
    assert shown("https://h/@ann/b.png") == "https://h/@ann/b.png"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://h/a/b.png", "b.png"),
        ("http://h/b%20c.png?x=/d.jpg", "b c.png"),
        ("http://h/..%2F..%2Fetc%2Fpasswd", "_.._.._etc_passwd"),
        ("http://h/%FF.png", "�.png"),
        ("http://h/CON.png", "_CON.png"),
        ("http://h/%2E%2E", None),
        ("http://h/a/", None),
        ("http://h", None),
    ],
)
def test_the_last_part_of_the_path_is_the_name(address: str, name: str | None) -> None:
    assert locate(address).name == name


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        location = locate(f"http://h/{text}")
    except Refused:
        return
    if location.name is not None:
        assert location.name == safe_name(location.name)
        assert len(location.name.encode()) <= NAME_MAX


@given(st.text(st.sampled_from("0123456789abcdefx.:[]%@/\\-。\u0661"), max_size=40))
def test_a_host_that_passes_is_a_name_or_an_address_and_nothing_between(text: str) -> None:
    try:
        host = locate(f"http://{text}/").host
    except Refused:
        return
    assert ":" in host or host.isascii()
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        assert len(labels) == 4
        assert host == ".".join(str(int(label)) for label in labels)
