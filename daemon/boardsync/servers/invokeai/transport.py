"""The one connection to one server: every request and every answer passes here.

Knows HTTP, not boards. Nothing but this and `address` imports httpx. Bodies travel as
bytes that are already in memory: httpx would read files inside the event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Final, TypeVar
from urllib.parse import urlencode

import httpx

from boardsync.errors import (
    BoardsyncError,
    NotAuthorised,
    OutcomeUnknown,
    ServerFault,
    ServerUnreachable,
)
from boardsync.servers.invokeai.address import Trust, certificates, checked_url
from boardsync.servers.invokeai.answers import JSON, Answer, error_of
from boardsync.servers.invokeai.login import Credentials, Login

KEEPALIVE_SECONDS: Final = 3.0
"""The server closes idle connections after 5 s: a request that just meets that is lost."""
CHUNK_BYTES: Final = 128 * 1024
REQUESTS_AT_ONCE: Final = 8
Scalar = str | int | bool
Params = Sequence[tuple[str, Scalar]]

Result = TypeVar("Result")

_CLOSED_UNDER_US = (httpx.RemoteProtocolError, httpx.ReadError)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to wait for a connection and for the next bytes, and requests at one time."""

    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    requests_at_once: int = REQUESTS_AT_ONCE


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form: one file part and some text fields."""

    content: bytes = field(repr=False)
    media_type: str
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    path: percent-encoded, after `/api/v1`. writes: it changes something, so a lost answer
    is an unknown outcome; everything else is repeated once when a kept connection was
    closed under it. missing_ok: a 404 of InvokeAI itself is an answer, not an error.
    optional: older versions lack this address, and that is an answer too.
    """

    method: str
    path: str
    params: Params = ()
    json: object = None
    form: Form | None = None
    writes: bool = False
    missing_ok: bool = False
    optional: bool = False
    expected: str = JSON


def get(path: str, *params: tuple[str, Scalar], missing_ok: bool = False) -> Call:
    """Describe a plain reading request."""
    return Call("GET", path, params, missing_ok=missing_ok)


class Body:
    """The answer to a streamed request: its status first, then its bytes chunk by chunk."""

    def __init__(self, answer: Answer, response: httpx.Response, transport: Transport) -> None:
        self.answer = answer
        self._response = response
        self._transport = transport

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes. Raises ServerUnreachable when the connection breaks."""
        try:
            async for chunk in self._response.aiter_bytes(CHUNK_BYTES):
                yield chunk
        except httpx.HTTPError as error:
            raise self._transport.error_from(error, self.answer.request) from error


class Transport:
    """One account's connection, its limits and its login.

    losses: how many connections failed so far; whoever remembers something about the
    server forgets it when this changes, because another version may be there now.
    """

    def __init__(
        self,
        label: str,
        url: str,
        credentials: Credentials | None = None,
        *,
        limits: Limits | None = None,
        trust: Trust | None = None,
    ) -> None:
        limits = limits or Limits()
        self.label = label
        self.losses = 0
        self._prefix, self.address = checked_url(label, url)
        self._slots = asyncio.Semaphore(limits.requests_at_once)
        self._client = httpx.AsyncClient(
            verify=certificates(label, self._prefix, trust or Trust()),
            timeout=httpx.Timeout(limits.read_timeout, connect=limits.connect_timeout),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=limits.requests_at_once,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            headers={"User-Agent": "boardsync", "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.login = Login(label, credentials, self._without_token)

    async def call(self, call: Call) -> Answer:
        """Send a request and return its answer, read whole.

        Raises the class that `answers.error_of` gives for it, ServerUnreachable when
        nothing was sent or nothing can have changed, OutcomeUnknown for a lost write.
        """
        async with self._slots:
            answer = await self._signed(call)
        self._check(call, answer)
        return answer

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Body]:
        """Open a reading request; its bytes are still on the wire.

        The bytes come uncompressed: versions up to 6.13 would spend forty times the work
        of sending a picture on packing it. The slot is held until the block ends.
        """
        async with self._slots:
            response = await self._opened(call)
            try:
                body = Body(await self._head(call, response), response, self)
                self._check(call, body.answer)
                yield body
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._client.aclose()

    def error_from(
        self, error: httpx.HTTPError, request: str, *, writes: bool = False
    ) -> BoardsyncError:
        """Return what a failure of the connection means for a request."""
        self.losses += 1
        reason = str(error) or type(error).__name__
        if isinstance(error, _NEVER_SENT):
            return ServerUnreachable(f"{self.label} cannot be reached at {self.address}: {reason}")
        if writes:
            return OutcomeUnknown(f"{request} was sent but its answer is lost: {reason}")
        if isinstance(error, httpx.DecodingError):
            return ServerFault(f"{request} answered bytes that cannot be unpacked: {reason}")
        return ServerUnreachable(f"{request} got no whole answer: {reason}")

    def _check(self, call: Call, answer: Answer) -> None:
        if call.optional and answer.lacks_route:
            return
        if call.missing_ok and answer.says_missing:
            return
        error = error_of(answer, call.expected, writes=call.writes)
        if isinstance(error, NotAuthorised) and not self.login.configured:
            raise NotAuthorised(f"{self.label} wants a login: set its email and password")
        if error is not None:
            raise error

    async def _signed(self, call: Call) -> Answer:
        headers = await self.login.headers()
        answer = await self._whole(call, headers)
        if answer.status == 401:
            renewed = await self.login.renew(headers)
            answer = await self._whole(call, renewed) if renewed else answer
        self.login.take(answer.headers)
        return answer

    async def _opened(self, call: Call) -> httpx.Response:
        headers = await self.login.headers()
        response = await self._sent(call, headers)
        if response.status_code == 401 and self.login.configured:
            await response.aclose()
            renewed = await self.login.renew(headers)
            response = await self._sent(call, renewed or headers)
        return response

    async def _without_token(self, method: str, path: str, body: object) -> Answer:
        return await self._whole(Call(method, path, json=body), {})

    async def _whole(self, call: Call, headers: Mapping[str, str]) -> Answer:
        """Send a request and read its answer to the end."""

        async def attempt() -> Answer:
            response = await self._client.send(self._request(call, headers), stream=True)
            try:
                body = await response.aread()
            finally:
                await response.aclose()
            return self._answer(call, response, body)

        return await self._twice(call, attempt)

    async def _sent(self, call: Call, headers: Mapping[str, str]) -> httpx.Response:
        """Send a reading request and return the head of its answer, uncompressed."""
        plain = {**headers, "Accept-Encoding": "identity"}

        async def attempt() -> httpx.Response:
            return await self._client.send(self._request(call, plain), stream=True)

        return await self._twice(call, attempt)

    async def _twice(self, call: Call, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Make an attempt, and for a reading request a second one on a closed connection."""
        try:
            return await attempt()
        except httpx.HTTPError as error:
            if call.writes or not isinstance(error, _CLOSED_UNDER_US):
                raise self._failure(call, error) from error
        try:
            return await attempt()
        except httpx.HTTPError as error:
            raise self._failure(call, error) from error

    async def _head(self, call: Call, response: httpx.Response) -> Answer:
        """Return the answer without its body for a success, with it for an error."""
        if response.is_success:
            return self._answer(call, response, b"")
        try:
            return self._answer(call, response, await response.aread())
        except httpx.HTTPError as error:
            raise self._failure(call, error) from error

    def _failure(self, call: Call, error: httpx.HTTPError) -> BoardsyncError:
        return self.error_from(error, self._words(call), writes=call.writes)

    def _words(self, call: Call) -> str:
        return f"{self.label}: {call.method} {self.address}/api/v1{call.path}"

    def _answer(self, call: Call, response: httpx.Response, body: bytes) -> Answer:
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(self._words(call), response.status_code, media_type, body, headers)

    def _request(self, call: Call, headers: Mapping[str, str]) -> httpx.Request:
        query = urlencode([(name, _plain(value)) for name, value in call.params], errors="replace")
        url = f"{self._prefix}/api/v1{call.path}" + (f"?{query}" if query else "")
        if call.form is not None:
            file = ("picture", call.form.content, call.form.media_type)
            return self._client.build_request(
                call.method, url, files={"file": file}, data=call.form.fields, headers=headers
            )
        if call.json is None:
            return self._client.build_request(call.method, url, headers=headers)
        content = json.dumps(call.json, ensure_ascii=False).encode("utf-8", "replace")
        typed = {**headers, "Content-Type": JSON}
        return self._client.build_request(call.method, url, content=content, headers=typed)


def _plain(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
