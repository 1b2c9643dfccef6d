"""Addresses of the web as people and redirects write them: read strictly, shown without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote

import httpx

from boardsync.errors import Refused
from boardsync.plan.names import safe_name

PORTS: Final = {"http": 80, "https": 443}
FREE_PORTS: Final = range(1024, 65536)
LONGEST: Final = 8192
PIPE: Final = "fetch it yourself and give it on standard input (-)"

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/?#]*@")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\.?\Z")


@dataclass(frozen=True, slots=True)
class Location:
    """Where one request goes. host: lower-case ASCII, or the digits of an IP address."""

    url: httpx.URL = field(repr=False)
    host: str
    port: int

    @property
    def secure(self) -> bool:
        """Whether it is asked through TLS."""
        return self.url.scheme == "https"

    @property
    def name(self) -> str | None:
        """The last segment of the path, decoded and made safe; None where it is empty."""
        # Split before it is decoded: an encoded slash belongs to a name.
        encoded = self.url.raw_path.partition(b"?")[0].rpartition(b"/")[2]
        text = unquote(encoded.decode("ascii"), errors="replace").strip()
        return safe_name(text) if text.strip(".") else None

    def __str__(self) -> str:
        return shown(str(self.url))


def is_address(text: str) -> bool:
    """Tell whether an argument means something on a network, of whatever scheme, not a file."""
    return _ADDRESS.match(text) is not None


def shown(text: str) -> str:
    """Return an address without what may be secret in it: a login, the query, the fragment."""
    start, query, _ = text.partition("#")[0].partition("?")
    return _LOGIN.sub("", start) + ("?..." if query else "")


def locate(text: str, base: Location | None = None) -> Location:
    """Read an address; one that a redirect gives may be relative to base. Raises Refused."""
    told = shown(text)
    if len(text) > LONGEST:
        raise Refused(f"the address is longer than {LONGEST} characters")
    try:
        url = httpx.URL(text) if base is None else base.url.join(text)
        raw_host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        # Not chained: the error may quote what is secret in it.
        raise Refused(f"{told} cannot be read as an address") from None
    if not _WEB.match(str(url)):
        raise Refused(f"{told}: only http:// and https:// are fetched, with a host; {PIPE}")
    if url.userinfo:
        raise Refused(f"{told} holds a login, and none is sent; {PIPE}")
    host = _checked_host(raw_host, told)
    port = PORTS[url.scheme] if url.port is None else url.port
    if port not in PORTS.values() and port not in FREE_PORTS:
        raise Refused(f"{told}: port {port} is none of the web but of other services; {PIPE}")
    return Location(url, host, port)


def _checked_host(host: str, told: str) -> str:
    """Refuse what is read differently by different readers: 0177.1, 2130706433, 0x7f000001."""
    if ":" in host:
        return _plain_6(host, told)
    if not _HOST.fullmatch(host):
        raise Refused(f"{told}: its host {host!r} is no name of a machine")
    if _NUMBER.match(host.removesuffix(".").rpartition(".")[2]):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            words = f"{told}: its host {host!r} is a number, and no address as 192.0.2.1 is one"
            raise Refused(words) from None
    return host


def _plain_6(host: str, told: str) -> str:
    """Return an IPv6 address in its usual form; one with a zone is of no use to strangers."""
    try:
        return str(IPv6Address("" if "%" in host else host))
    except AddressValueError:
        raise Refused(f"{told}: its host [{host}] is no IPv6 address") from None
