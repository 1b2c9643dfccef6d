"""A TCP forwarder on the loopback interface that goes wrong to order, the same way every time.

    with FaultProxy(server.port, seed=7) as proxy:
        proxy.behave(troubled(0.2))                   # every fifth connection goes wrong
        proxy.lose("POST /api/v1/images/upload", every=3)
        proxy.when_answered("POST /api/v1/images/upload", kill)
        ...
        proxy.calm()

Two layers. A `Line` is what becomes of one connection's bytes, whatever they mean; a program
gives one to each connection, from a random generator of its own that follows from the seed and
the connection's number. Rules speak of HTTP: of the answers to requests that begin so. Bytes
are passed on as they came; HTTP is only read along, so what is no HTTP passes, too.

It lives in a thread of its own and ends with its block, or after `seconds` by itself.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

from real.http_eyes import Conversation

CHUNK: Final = 16 * 1024
HELD_BYTES: Final = 1 << 20
"""Of a longer answer only so much is held back; then it counts as arrived."""
MOST_CONNECTIONS: Final = 256
REMEMBERED: Final = 10_000
_RESET: Final = struct.pack("ii", 1, 0)


class Ending(Enum):
    """How a connection ends before its time."""

    CLOSE = "closed"
    RESET = "reset"
    SILENCE = "silent"
    """A black hole: it stays open, takes everything and gives nothing."""


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one connection.

    delay: seconds that each piece takes longer, either way. bytes_per_second: either way.
    up, down: bytes from the client, and from the server, that pass before `ending` comes.
    """

    delay: float = 0.0
    bytes_per_second: float | None = None
    up: int | None = None
    down: int | None = None
    ending: Ending = Ending.CLOSE


STEADY: Final = Line()
BLACK_HOLE: Final = Line(up=0, ending=Ending.SILENCE)
Program = Callable[[int, random.Random], Line]
"""Gives the line of a connection, by its number and with a random generator of its own."""


def steady(number: int, chance: random.Random) -> Line:
    """Let every connection do its work."""
    return STEADY


def troubled(share: float) -> Program:
    """Let a share of the connections go wrong, each in one of the ways there are."""

    def program(number: int, chance: random.Random) -> Line:
        if chance.random() >= share:
            return STEADY
        ending = chance.choice([Ending.CLOSE, Ending.RESET])
        ways = [
            Line(delay=chance.uniform(0.01, 0.2)),
            Line(bytes_per_second=chance.uniform(5_000, 50_000)),
            Line(up=chance.randrange(4_000), ending=ending),
            Line(down=chance.randrange(4_000), ending=ending),
            Line(down=chance.randrange(4_000), ending=Ending.SILENCE),
            BLACK_HOLE,
        ]
        return chance.choice(ways)

    return program


@dataclass(slots=True)
class _Rule:
    """What becomes of answers to requests that begin so: of every n-th, so many times."""

    beginning: str
    fate: str
    every: int
    times: int | None
    seconds: float = 0.0
    callback: Callable[[], None] | None = None
    seen: int = 0

    def takes(self, request: str) -> bool:
        if self.times == 0 or not request.startswith(self.beginning):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class _Wire:
    """One connection under way. rule: what becomes of the answer that is due."""

    line: Line
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    talk: Conversation = field(default_factory=Conversation)
    rule: _Rule | None = None
    held: bytearray = field(default_factory=bytearray)


class _OverError(Exception):
    """This connection has come to the ending that was planned for it."""


class FaultProxy:
    """Forwards a free loopback port to another one.

    requests: their first lines, oldest first. happened: what went wrong to order, counted.
    seconds: it stops by itself after so long, whoever forgot it.
    """

    def __init__(self, target: int, *, seed: int = 0, seconds: float = 3600.0) -> None:
        self.requests: deque[str] = deque(maxlen=REMEMBERED)
        self.happened: Counter[str] = Counter()
        self.port = 0
        self._target = target
        self._seed = seed
        self._seconds = seconds
        self._program: Program = steady
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._number = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def url(self) -> str:
        """The address that goes into the settings."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # it has stopped by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def behave(self, program: Program) -> None:
        """Give the connections from now on their lines."""
        self._program = program

    def lose(self, beginning: str, *, every: int = 1, times: int | None = None) -> None:
        """Let answers get lost: the request is carried out, the connection closed instead."""
        self._add(_Rule(beginning, "lost", every, times))

    def delay(
        self, beginning: str, seconds: float, *, every: int = 1, times: int | None = None
    ) -> None:
        """Let answers be late: the request is carried out, its answer comes so much later."""
        self._add(_Rule(beginning, "late", every, times, seconds))

    def when_answered(
        self, beginning: str, callback: Callable[[], None], *, after: int = 1
    ) -> None:
        """Call back, once, when the n-th such answer has arrived and was not passed on yet.

        The callback runs in the proxy's thread, which stands still meanwhile.
        """
        self._add(_Rule(beginning, "held", after, 1, callback=callback))

    def forget_rules(self) -> None:
        """Let the answers to requests from now on pass. Lines stay as they are."""
        with self._lock:
            self._rules.clear()

    def calm(self) -> None:
        """Let nothing go wrong from now on; connections that go wrong already are closed."""
        self.forget_rules()
        self._program = steady
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._drop_all(), self._loop).result(10)

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def _rule_for(self, request: str) -> _Rule | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.takes(request)), None)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._seconds)
        server.close()
        await asyncio.sleep(0)  # who has just been let in begins, and can be told to end
        await self._drop_all()
        await server.wait_closed()

    async def _drop_all(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        number, self._number = self._number, self._number + 1
        try:
            if len(self._connections) <= MOST_CONNECTIONS:
                line = self._program(number, random.Random(f"{self._seed} {number}"))
                with suppress(OSError, asyncio.CancelledError):
                    await self._forward(line, reader, writer)
        finally:
            await _closed(writer)
            self._connections.discard(task)

    async def _forward(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Join a client to the server until one of them, or the line's ending, ends it."""
        server = await asyncio.open_connection("127.0.0.1", self._target)
        wire = _Wire(line, (reader, writer), server)
        ways = [asyncio.create_task(self._up(wire)), asyncio.create_task(self._down(wire))]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if any(isinstance(way.exception(), _OverError) for way in done):
                await self._end(wire, ways)
        finally:
            server[1].close()  # before anything that may be cancelled
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _closed(server[1])

    async def _end(self, wire: _Wire, ways: list[asyncio.Task[None]]) -> None:
        """Do to the client what the line's ending says."""
        ending = wire.line.ending
        self.happened[ending.value] += 1
        if ending is Ending.RESET:
            _reset(wire.client[1])
        elif ending is Ending.SILENCE:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            heard = True
            while heard:
                heard = bool(await wire.client[0].read(CHUNK))

    async def _up(self, wire: _Wire) -> None:
        """Pass on what the client sends."""
        left = wire.line.up
        if left == 0:
            raise _OverError
        while data := await wire.client[0].read(CHUNK):
            passing = data if left is None else data[:left]
            await _take_time(wire.line, len(passing))
            # Before it is sent: the answer must find its rule.
            for request in wire.talk.asked(passing):
                self.requests.append(request)
                wire.rule = self._rule_for(request)
            wire.server[1].write(passing)
            await wire.server[1].drain()
            left = None if left is None else left - len(passing)
            if left == 0:
                raise _OverError

    async def _down(self, wire: _Wire) -> None:
        """Pass on what the server answers, but for what a rule holds back."""
        left = wire.line.down
        if left == 0:
            await wire.server[0].read(1)
            raise _OverError
        while data := await wire.server[0].read(CHUNK):
            whole = wire.talk.answered(data)
            if wire.rule is not None:
                wire.held += data
                if not whole and len(wire.held) < HELD_BYTES:
                    continue
                if not await self._decide(wire):
                    return
                data, wire.held, wire.rule = bytes(wire.held), bytearray(), None
            passing = data if left is None else data[:left]
            await _take_time(wire.line, len(passing))
            wire.client[1].write(passing)
            await wire.client[1].drain()
            left = None if left is None else left - len(passing)
            if left == 0:
                raise _OverError

    async def _decide(self, wire: _Wire) -> bool:
        """Carry out the rule on an answer that has arrived; tell whether it is passed on."""
        rule = wire.rule
        assert rule is not None
        self.happened[rule.fate] += 1
        if rule.callback is not None:
            rule.callback()
        await asyncio.sleep(rule.seconds)
        return rule.fate != "lost"


async def _take_time(line: Line, count: int) -> None:
    pace = 0.0 if line.bytes_per_second is None else count / line.bytes_per_second
    if line.delay + pace:
        await asyncio.sleep(line.delay + pace)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a router does that has forgotten it: closing sends RST, not FIN."""
    known: socket.socket = writer.get_extra_info("socket")
    known.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
