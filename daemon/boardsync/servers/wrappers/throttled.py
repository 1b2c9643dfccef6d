"""Bandwidth: bytes in a second, shared by all transfers of a server, or of all, in one direction.

A transfer itself is not slowed down, since the port hands over whole pictures and its sink
is written from threads and from the event loop alike. Instead each one runs up a debt, and
the next waits until the debts are paid: over a few pictures the rate is kept to the byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO

from boardsync.model import Download, Item, Upload, UploadResult
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.wrapper import Wrapper

RateNow = Callable[[], int | None]
"""Tells the rate of now, in bytes per second; None is without a limit."""
LONGEST_SECONDS = 60.0
"""Between two questions for the rate: it may have risen meanwhile, by the clock."""
_PAID = 0.5
"""Less than a byte is what the arithmetic leaves."""
Pause = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits for an event, at most so many seconds."""


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event on the real clock, at most so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


class Bandwidth:
    """One direction's rate: a number, None for no limit, or what tells it. The clock is monotonic.

    What was run up under one rate is paid off under the one that holds by then.
    """

    def __init__(
        self,
        rate: RateNow | int | None,
        clock: Callable[[], float] = time.monotonic,
        pause: Pause = wait_for,
    ) -> None:
        self._rate = rate if callable(rate) else lambda: rate
        self._clock = clock
        self._pause = pause
        self._debt = 0.0
        self._counted_at = clock()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Wait until all bytes so far are paid for."""
        while (seconds := self.seconds_to_pay()) > 0:
            await self._pause(self._changed, min(seconds, LONGEST_SECONDS))

    def settle(self) -> None:
        """Count what time has paid until now at the rate of now: it is about to be another."""
        self._pay()

    def look_again(self) -> None:
        """Have whoever waits ask for the rate now: it is another."""
        self._changed.set()
        self._changed = asyncio.Event()

    def seconds_to_pay(self) -> float:
        """Return how long it takes to pay what is owed, at the rate of now."""
        rate = self._pay()
        return 0.0 if rate is None or self._debt < _PAID else self._debt / rate

    def charge(self, count: int) -> None:
        """Put transferred bytes on the bill."""
        if self._pay() is not None:
            self._debt += count

    def _pay(self) -> int | None:
        """Take off the debt what time has paid; return the rate of now. Without one, all of it."""
        rate, now = self._rate(), self._clock()
        paid = self._debt if rate is None else (now - self._counted_at) * rate
        self._debt = max(0.0, self._debt - paid)
        self._counted_at = now
        return rate


async def wait_for_all(bandwidths: Sequence[Bandwidth]) -> None:
    """Wait until nothing is owed to any: while one is paid, others may have run up a debt."""
    while any(one.seconds_to_pay() > 0 for one in bandwidths):
        for one in bandwidths:
            await one.wait()


class Throttled(Wrapper):
    """Keeps transfers to rates: in each direction its own, and those that it shares."""

    def __init__(
        self, inner: Server, *, up: Bandwidth | Sequence[Bandwidth],
        down: Bandwidth | Sequence[Bandwidth],
    ) -> None:  # fmt: skip
        super().__init__(inner)
        self._up = (up,) if isinstance(up, Bandwidth) else tuple(up)
        self._down = (down,) if isinstance(down, Bandwidth) else tuple(down)

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        await wait_for_all(self._up)
        for bandwidth in self._up:
            bandwidth.charge(sum(len(upload.content) for upload in uploads))
        return await super().upload(board_id, uploads)

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        await wait_for_all(self._down)
        start = sink.tell()
        try:
            return await super().download(item, sink)
        finally:
            for bandwidth in self._down:
                bandwidth.charge(sink.tell() - start)
