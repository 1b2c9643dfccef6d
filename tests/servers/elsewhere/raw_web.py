"""A web server that says exactly what it is told to, however wrong; and names for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from boardsync.servers.elsewhere.doors import Doors

Page = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(content: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Page:
    """Answer with a body. length: what is claimed of it."""

    async def page(writer: asyncio.StreamWriter) -> None:
        told = [
            f"HTTP/1.1 {status}",
            f"Content-Length: {len(content) if length is None else length}",
        ]
        writer.write("\r\n".join([*told, *headers, "", ""]).encode() + content)

    return page


def leads_to(address: str, status: str = "302 Found") -> Page:
    """Redirect."""
    return says(b"", f"Location: {address}", status=status)


def endless(start: bytes, more: bytes, pause: float = 0.0) -> Page:
    """Never come to an end: first the start, then more and more."""

    async def page(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause)

    return page


async def silent(writer: asyncio.StreamWriter) -> None:
    """Take the question and say nothing."""
    await asyncio.Event().wait()


@dataclass
class RawWeb:
    """Pages by path. asked: the heads of all requests, in their order."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def at(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Return the address of a page."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.asked.append(head)
                path = head.split()[1].partition("?")[0]
                await self.pages.get(path, says(b"", status="404 Not Found"))(writer)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawWeb]:
    """Listen on an address of this machine; what is still being said is cut off in the end."""
    web = RawWeb()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await web.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(accept, host, port, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Hosts:
    """Names of machines that change their addresses with each answer. calls: who was asked for."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name: list(told) for name, told in answers.items()}
        self.calls: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.calls.append(host)
        told = self._answers[host.partition(".")[0]]
        return told.pop(0) if len(told) > 1 else told[0]


def only(*allowed: str) -> Callable[[str], str | None]:
    """Judge addresses as if these alone were public."""
    return lambda address: None if address in allowed else "a private network"


def doors(hosts: Hosts | None = None, *allowed: str) -> Doors:
    """Let through to 127.0.0.1, or to what is given."""
    return Doors(hosts or Hosts(), only(*(allowed or ("127.0.0.1",))))
