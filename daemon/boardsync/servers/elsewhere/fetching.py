"""Fetches one picture from the web: how much, how long, where to and how often are bounded.

It sends no login, no cookie and no referrer. httpx bounds the silence between two bytes and
not the whole, and it would resolve a name again after we have checked it: both are done here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from boardsync.errors import (
    PictureRefused,
    Refused,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
    TryAgain,
)
from boardsync.formats import HEAD_SIZE, sniff
from boardsync.servers.elsewhere.doors import Doors, is_ip, nowhere_is_inside
from boardsync.servers.elsewhere.location import Location, locate, shown

REDIRECTS: Final = 5
CONNECT_SECONDS: Final = 10.0
CHUNK_BYTES: Final = 64 * 1024
_LEADS_ON: Final = frozenset({301, 302, 303, 307, 308})
_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEDIA_TYPE_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far to go for one picture, all redirects included.

    private: addresses inside a network are allowed, too. proxies: those that the environment
    names are used. They resolve names themselves, so what is behind a name stays unchecked:
    this wants `private` as well.
    """

    max_bytes: int = 100 * 1024 * 1024
    seconds: float = 120.0
    private: bool = False
    proxies: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A picture's bytes, not known to be whole, and a safe name from its address."""

    content: bytes = field(repr=False)
    name: str


async def fetch(address: str, bounds: Bounds, doors: Doors | None = None) -> Arrived:
    """Fetch a picture by its address.

    Raises Refused where this will not change by itself: an address that is not allowed,
    something else than a picture, too much. Raises TryAgain for what may work later.
    """
    doors = doors or (Doors(judge=nowhere_is_inside) if bounds.private else Doors())
    try:
        async with asyncio.timeout(bounds.seconds):
            return await _follow(locate(address), bounds, doors)
    except TimeoutError as error:
        words = f"not there after {bounds.seconds:g} s, the limit (max_time)"
        raise TryAgain(f"{shown(address)}: {words}") from error


async def _follow(start: Location, bounds: Bounds, doors: Doors) -> Arrived:
    location = start
    for _ in range(1 + REDIRECTS):
        async with _answer_of(location, bounds, doors) as response:
            goal = _goal(location, response)
            if goal is None:
                content = await _picture(location, response, bounds.max_bytes)
                return Arrived(content, start.name or location.name or location.host)
        location = goal
    raise Refused(f"{start}: more than {REDIRECTS} redirects, the last one to {location}")


def _goal(location: Location, response: httpx.Response) -> Location | None:
    """Return where an answer leads on to, None for one that is no redirect."""
    told = response.headers.get("location")
    if response.status_code not in _LEADS_ON or told is None:
        return None
    try:
        goal = locate(told, location)
    except Refused as error:
        raise Refused(f"{location} leads on to another address: {error}") from error
    if location.secure and not goal.secure:
        raise Refused(f"{location} leads on to {goal}, which is not encrypted")
    return goal


@asynccontextmanager
async def _answer_of(
    location: Location, bounds: Bounds, doors: Doors
) -> AsyncIterator[httpx.Response]:
    """Open the answer to one request, from the first of the checked addresses that is there."""
    proxy = _proxy_for(location, bounds, doors)
    numbers = [None] if proxy else await doors.to(location)
    async with _client(location, proxy) as client:
        response = await _first(location, client, numbers)
        try:
            yield response
        finally:
            await response.aclose()


async def _first(
    location: Location, client: httpx.AsyncClient, numbers: Sequence[str | None]
) -> httpx.Response:
    reason: httpx.HTTPError | None = None
    for number in numbers:
        try:
            return await client.send(_request(location, client, number), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            reason = error
        except httpx.HTTPError as error:
            raise _broken(location, error) from error
    raise ServerUnreachable(f"{location} cannot be reached: {_words(reason)}") from reason


def _client(location: Location, proxy: httpx.Proxy | None) -> httpx.AsyncClient:
    """Make a client for one request: a kept connection is known by its IP address alone."""
    return httpx.AsyncClient(
        verify=httpx.create_ssl_context() if location.secure else _trusting_nobody(),
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        headers={"User-Agent": "boardsync", "Accept": "image/*", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
        proxy=proxy,
    )


def _trusting_nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _request(location: Location, client: httpx.AsyncClient, number: str | None) -> httpx.Request:
    """Ask for a location at an IP address; for a proxy, as it stands."""
    if number is None:
        return client.build_request("GET", location.url)
    request = client.build_request(
        "GET",
        location.url.copy_with(host=number, fragment=None),
        headers={"Host": location.url.netloc.decode("ascii")},
    )
    if not is_ip(location.host):
        # The certificate has to be that of the name, although a number is dialled.
        request.extensions["sni_hostname"] = location.host.removesuffix(".")
    return request


def _proxy_for(location: Location, bounds: Bounds, doors: Doors) -> httpx.Proxy | None:
    """Return the proxy that the environment names for a location, when it is to be asked."""
    if not bounds.proxies or proxy_bypass(location.host):
        return None
    known = getproxies()
    url = known.get(location.url.scheme) or known.get("all")
    if not url:
        return None
    if is_ip(location.host):
        doors.require_open(location, location.host)
    elif not bounds.private:
        raise Refused(
            f"{location}: a proxy resolves its host, so where it leads cannot be checked; allow "
            "private addresses as well if you trust the proxy (allow_private_addresses)"
        )
    try:
        return httpx.Proxy(url if "://" in url else f"http://{url}")
    except (ValueError, httpx.InvalidURL):
        raise Refused(
            f"{location}: the proxy that the environment names is no usable one"
        ) from None


async def _picture(location: Location, response: httpx.Response, max_bytes: int) -> bytes:
    """Read the body, no further than it is a picture of an allowed size."""
    _require_picture_answer(location, response)
    told = response.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > max_bytes:
        raise _too_large(location, max_bytes)
    content = bytearray()
    try:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            unseen = len(content) < HEAD_SIZE
            content += chunk
            if len(content) > max_bytes:
                raise _too_large(location, max_bytes)
            if unseen and len(content) >= HEAD_SIZE:
                _require_picture(location, response, content)
    except httpx.HTTPError as error:
        raise _broken(location, error) from error
    _require_picture(location, response, content)
    return bytes(content)


def _require_picture_answer(location: Location, response: httpx.Response) -> None:
    status = response.status_code
    if status in _MAY_PASS:
        raise ServerBusy(f"{location} answers {status} {response.reason_phrase}".rstrip())
    if status != httpx.codes.OK:
        raise PictureRefused(f"{location} answers {status} {response.reason_phrase}".rstrip())
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise PictureRefused(f"{location} answers packed bytes, although asked for plain ones")


def _require_picture(location: Location, response: httpx.Response, content: bytearray) -> None:
    if sniff(bytes(content[:HEAD_SIZE])) is None:
        kind = response.headers.get("content-type", "something without a type")
        raise PictureRefused(f"{location} is not a picture: it answers {kind[:_MEDIA_TYPE_SHOWN]}")


def _too_large(location: Location, max_bytes: int) -> PictureRefused:
    return PictureRefused(f"{location} is larger than allowed: the limit is {max_bytes} bytes")


def _broken(location: Location, error: httpx.HTTPError) -> ServerFault:
    return ServerFault(f"{location} gives no whole answer: {_words(error)}")


def _words(error: httpx.HTTPError | None) -> str:
    return str(error) or type(error).__name__
