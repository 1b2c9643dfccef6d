"""A small real HTTP/1.1 server for fakes: sockets and all, with every fault of a connection.

Lives in the event loop of the test, or in a thread of its own (`in_thread`). Requests are
handled by one function, so that a fake is deterministic.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

IDLE_SECONDS = 5.0
READ_BYTES = 256 * 1024


class Delivery(Enum):
    """How far an answer gets."""

    WHOLE = "whole"
    NEVER = "the connection is closed instead"
    CUT = "the connection is closed in the middle of the body"
    HANGING = "nothing comes, and the connection stays open"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole. path: decoded, without the query."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def param(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter of the query, the last one of several."""
        return dict(self.query).get(name, default)

    def params(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.query if key == name]

    def json(self) -> dict[str, object]:
        """Return the JSON object in the body."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes = field(repr=False)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE


def json_response(value: object, status: int = 200, **headers: str) -> Response:
    """Answer with JSON. Underscores in header names become dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, json.dumps(value, ensure_ascii=False).encode(), headers=named)


Handler = Callable[[Request], Awaitable[Response]]


class HttpServer:
    """Listens on a loopback port and hands every request to one handler.

    It can be stopped and started again on the same port, as a server that is restarted.
    """

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.port = port
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> Self:
        """Begin to listen; the first start chooses the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close everything at once; requests in flight lose their answers."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
                await _Connection(reader, writer, self._handler).serve()
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Connection:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._state = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Answer one request after the other until either side closes."""
        while (request := await self._request()) is not None:
            response = await self._handler(request)
            if not await self._deliver(response):
                return
            if self._state.our_state is not h11.DONE:
                return
            self._state.start_next_cycle()

    async def _request(self) -> Request | None:
        event = await self._event(IDLE_SECONDS)
        if not isinstance(event, h11.Request):
            return None
        head, body = event, bytearray()
        while not isinstance(event := await self._event(None), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return None
            body += event.data
        target = urlsplit(head.target.decode("ascii"))
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        query = parse_qsl(target.query, keep_blank_values=True)
        path = unquote(target.path)
        return Request(head.method.decode(), path, query, headers, bytes(body))

    async def _event(self, timeout: float | None) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            try:
                data = await asyncio.wait_for(self._reader.read(READ_BYTES), timeout)
            except TimeoutError:
                return None
            self._state.receive_data(data)
        return event

    async def _deliver(self, response: Response) -> bool:
        if response.delivery is Delivery.HANGING:
            await self._reader.read(1)
            return False
        if response.delivery is Delivery.NEVER:
            return False
        headers = [
            ("content-type", response.media_type),
            ("content-length", str(len(response.body))),
            *response.headers.items(),
        ]
        head = h11.Response(status_code=response.status, headers=headers)
        self._writer.write(self._state.send(head) or b"")
        if response.delivery is Delivery.CUT:
            half = response.body[: len(response.body) // 2]
            self._writer.write(self._state.send(h11.Data(data=half)) or b"")
            await self._writer.drain()
            return False
        self._writer.write(self._state.send(h11.Data(data=response.body)) or b"")
        self._writer.write(self._state.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()
        return True


@contextmanager
def in_thread(server: HttpServer) -> Iterator[HttpServer]:
    """Run a server in a thread of its own, for tests that have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
