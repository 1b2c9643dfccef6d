"""Which network addresses everybody can reach, and which lead inside: text in, verdict out.

The tables are those of IANA's registries of special addresses. Python's own `is_global` is not
asked: its answers differ between versions, and it knows no addresses inside addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_INSIDE_4: Final = {
    IPv4Network(network): words
    for network, words in {
        "0.0.0.0/8": "this machine",
        "10.0.0.0/8": "a private network",
        "100.64.0.0/10": "a provider's own network",
        "127.0.0.0/8": "this machine",
        "169.254.0.0/16": "this link, where clouds tell their machines' secrets",
        "172.16.0.0/12": "a private network",
        "192.0.0.0/24": "a special use",
        "192.0.2.0/24": "examples",
        "192.88.99.0/24": "a special use",
        "192.168.0.0/16": "a private network",
        "198.18.0.0/15": "tests of networks",
        "198.51.100.0/24": "examples",
        "203.0.113.0/24": "examples",
        "224.0.0.0/4": "groups of machines",
        "240.0.0.0/4": "a special use",
        # It looks like any other, and answers inside Microsoft's cloud alone.
        "168.63.129.16/32": "a cloud's own machines",
    }.items()
}
_INSIDE_6: Final = {
    IPv6Network(network): words
    for network, words in {
        "::/127": "this machine",
        "fc00::/7": "a private network",
        "fe80::/10": "this link",
        "fec0::/10": "a private network",
        "ff00::/8": "groups of machines",
        # Inside of what is given out: tunnels, which end at an address that is written inside,
        # and special uses.
        "2001::/23": "a special use",
        "2001:db8::/32": "examples",
        "2002::/16": "a tunnel",
        "3fff::/20": "examples",
    }.items()
}
_GIVEN_OUT: Final = IPv6Network("2000::/3")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""Where a network without IPv4 reaches it: the last 32 bits are the address that is meant."""


def why_not_public(address: str) -> str | None:
    """Return what an IP address is for instead of the public internet; None for a public one.

    What is no address at all is not public either, and one with a zone (`fe80::1%eth0`) is
    of a link.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "nothing: it is no address"
    return _of_4(parsed) if isinstance(parsed, IPv4Address) else _of_6(parsed)


def _of_4(address: IPv4Address) -> str | None:
    return next((words for network, words in _INSIDE_4.items() if address in network), None)


def _of_6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "this link"
    if address.ipv4_mapped is not None:
        return _of_4(address.ipv4_mapped)
    if address in _TRANSLATED:
        return _of_4(IPv4Address(int(address) & 0xFFFFFFFF))
    for network, words in _INSIDE_6.items():
        if address in network:
            return words
    return None if address in _GIVEN_OUT else "a special use"
