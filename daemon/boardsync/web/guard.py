"""Who is let in over TCP. The Unix socket does not come through here: its permissions guard it.

An ASGI middleware and nothing else: what is refused reaches neither a route nor a parser. Pages
of strangers in a browser on this machine are the enemy as well as other machines: they can send
requests here (cross-site) and, by a name that they own, read the answers (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from boardsync.config.http import Address, is_loopback, plain_host
from boardsync.errors import SettingsError
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
READS = frozenset({"GET", "HEAD"})
OPEN_TO_ALL = frozenset({"/health/live"})
"""What everybody may read who reaches the port: that the daemon lives, and nothing else.

Whoever asks that (a container's runtime, a load balancer) often cannot keep a secret.
"""
TOKEN_PARAMETERS = frozenset({"token", "access_token", "auth", "authorization", "api_key"})
LARGEST_BODY = 1 << 20
LARGEST_HEAD = 16 << 10
"""Bytes of a request's line and headers."""
MOST_AT_ONCE = 32
"""Requests that are being answered: each may hold a body in memory."""
REFUSED_SECONDS = 1.0
"""How long the body of a request that is refused is waited for."""
_AT_ONCE = frozenset({"busy", "size", "slow"})
"""Reasons to refuse a request without waiting for more of it."""
BODY_SECONDS = 20.0
"""Until all of a body has arrived."""
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is let in. exposed: other machines can reach the port."""

    hosts: frozenset[str]
    token: bytes | None
    exposed: bool


NOBODY = Rules(hosts=frozenset(), token=None, exposed=True)
"""Where there is no way in."""


class Refusal(Exception):
    """A request that is not looked at. reason: the word it is counted under."""

    def __init__(self, status: HTTPStatus, reason: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.reason = reason
        self.words = words


def rules_for(
    listen: Address, allowed: list[str], token: str | None, *, exposed: bool = False
) -> Rules:
    """Say who is let in at an address.

    exposed: other machines can reach it, whatever its name says. Raises SettingsError when there
    is no token where one is needed.
    """
    hosts = {*LOOPBACK_HOSTS, *allowed}
    if not listen.is_wildcard:
        hosts.add(listen.host)
    exposed = exposed or not is_loopback(listen.host)
    if token is None:
        if exposed:
            raise SettingsError(
                f"http.listen: {listen} can be reached from other machines and there is no token:"
                " set http.token, or listen at 127.0.0.1."
            )
        return Rules(frozenset(hosts), None, exposed)
    return Rules(frozenset(hosts), token.encode("ascii"), exposed)


class Guard:
    """Lets in what the rules allow, and answers everything else itself."""

    def __init__(self, app: App, rules: Rules, *, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._rules = rules
        self._body_seconds = body_seconds
        self._places = MOST_AT_ONCE

    def follow(self, rules: Rules) -> None:
        """Go by other rules from now on."""
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        secured = _secured(send)
        try:
            await self._let_in(scope, receive, secured)
        except Refusal as refusal:
            counters.add(names.HTTP_REFUSED, reason=refusal.reason)
            if refusal.reason not in _AT_ONCE and b"expect" not in _headers(scope):
                await _throw_away_body(receive)
            await _answer(secured, refusal)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, with its whole body. Raises Refusal."""
        self._places -= 1
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            body = await _whole_body(headers, receive, self._body_seconds)
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._places += 1

    def _check(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> None:
        """Raise Refusal for what is not let in."""
        if self._places < 0:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many requests at one time")
        if _head_size(scope) > LARGEST_HEAD:
            raise Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "size",
                f"a request has at most {LARGEST_HEAD} bytes before its body",
            )  # fmt: skip
        _check_origin(headers, self._checked_host(headers))
        query = scope.get("query_string", b"").decode("latin-1")
        if any(name.lower() in TOKEN_PARAMETERS for name, _ in parse_qsl(query, True)):
            raise Refusal(
                HTTPStatus.BAD_REQUEST, "token-in-address",
                "a token does not belong into an address, where logs keep it: send it as"
                " `Authorization: Bearer ...`",
            )  # fmt: skip
        self._check_token(scope, headers)

    def _checked_host(self, headers: dict[bytes, list[bytes]]) -> str:
        """Return the host that was asked for, as it was written."""
        given = headers.get(b"host", [])
        text = given[0].decode("latin-1") if len(given) == 1 else ""
        try:
            known = _host_of(text) in self._rules.hosts
        except ValueError:
            known = False
        if not known:
            raise Refusal(
                HTTPStatus.FORBIDDEN, "host",
                "this name is not one of boardsync's; if it is meant to be, add it to"
                " http.allowed_hosts",
            )  # fmt: skip
        return text

    def _check_token(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> None:
        reads = scope["method"] in READS
        if reads and (not self._rules.exposed or scope["path"] in OPEN_TO_ALL):
            return
        if self._rules.token is None:
            raise Refusal(
                HTTPStatus.FORBIDDEN, "no-token",
                "changes need a token, and http.token is not set; the Unix socket needs none",
            )  # fmt: skip
        given = headers.get(b"authorization", [])
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        right = hmac.compare_digest(token.strip(), self._rules.token)
        if scheme.lower() != b"bearer" or not right:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED, "token",
                "the token is missing or wrong: send it as `Authorization: Bearer ...`",
            )  # fmt: skip


def _headers(scope: Scope) -> dict[bytes, list[bytes]]:
    """Return the headers by their names, which are in lower case already."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(bytes(name), []).append(bytes(value))
    return found


def _head_size(scope: Scope) -> int:
    line = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    return line + sum(len(name) + len(value) for name, value in scope["headers"])


def _host_of(text: str) -> str:
    """Return the host of a Host header, as it is compared. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return plain_host(text)
    if not port.isascii() or not port.isdigit():
        raise ValueError("no port")
    if ":" in host and not host.startswith("["):
        raise ValueError("an IPv6 address without brackets: where it ends nobody knows")
    return plain_host(host)


def _check_origin(headers: dict[bytes, list[bytes]], host: str) -> None:
    """Refuse what a page of another origin sends, a form without a script included."""
    for site in headers.get(b"sec-fetch-site", []):
        if site not in (b"same-origin", b"none"):
            raise Refusal(HTTPStatus.FORBIDDEN, "origin", "requests of other pages are refused")
    for origin in headers.get(b"origin", []):
        if not _same_origin(origin.decode("latin-1"), host):
            raise Refusal(HTTPStatus.FORBIDDEN, "origin", "requests of other pages are refused")


def _same_origin(origin: str, host: str) -> bool:
    """Tell whether an origin is the host that was asked. A proxy may speak https for us."""
    try:
        parts = urlsplit(origin)
        if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment:
            return False
        if parts.username is not None or parts.hostname is None:
            return False
        default = _DEFAULT_PORTS[parts.scheme]
        ours = urlsplit(f"//{host}").port or default
        return (plain_host(parts.hostname), parts.port or default) == (_host_of(host), ours)
    except ValueError:
        return False


async def _whole_body(headers: dict[bytes, list[bytes]], receive: Receive, seconds: float) -> bytes:
    """Take in a body, up to its limit in bytes and in time. Raises Refusal."""
    too_large = Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", f"a body has at most {LARGEST_BODY} bytes"
    )
    for length in headers.get(b"content-length", []):
        if int(length) > LARGEST_BODY:  # the server has seen that it is a number
            raise too_large
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST_BODY:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT, "slow", "the body did not arrive in time"
        ) from None
    return b"".join(parts)


async def _throw_away_body(receive: Receive) -> None:
    """Take in what is still sent: who is cut off while sending may never see the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REFUSED_SECONDS):
            while size <= LARGEST_BODY:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Hand on a body that was taken in; afterwards what else is received."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _secured(send: Send) -> Send:
    """Add to every answer what keeps browsers from using it otherwise than it is meant."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            there = {bytes(name).lower() for name, _ in headers}
            headers += [pair for pair in _HEADERS if pair[0] not in there]
            message = {**message, "headers": headers}
        await send(message)

    return secured


async def _answer(send: Send, refusal: Refusal) -> None:
    body = b'{"detail":"%s"}' % refusal.words.encode("ascii")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"connection", b"close"),  # what may be left of its body is not read
    ]
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="boardsync"'))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def reaches_beyond(address: str) -> bool:
    """Tell whether other machines can reach an address that a socket is bound to."""
    return not ipaddress.ip_address(address.partition("%")[0]).is_loopback
