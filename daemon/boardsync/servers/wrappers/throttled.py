"""Bandwidth: bytes in a second, shared by all transfers of one server in one direction.

A transfer itself is not slowed down, since the port hands over whole pictures and its sink
is written from threads and from the event loop alike. Instead each one runs up a debt, and
the next waits until the debts are paid: over a few pictures the rate is kept to the byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO

from boardsync.model import Download, Item, Upload, UploadResult
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.wrapper import Wrapper


class Bandwidth:
    """One direction's rate. bytes_per_second: None is without a limit. The clock is monotonic."""

    def __init__(
        self,
        bytes_per_second: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._paid_at = clock()

    async def wait(self) -> None:
        """Wait until all bytes so far are paid for."""
        while (debt := self._paid_at - self._clock()) > 0:
            await self._sleep(debt)

    def charge(self, count: int) -> None:
        """Put transferred bytes on the bill."""
        if self._rate is not None:
            self._paid_at = max(self._paid_at, self._clock()) + count / self._rate


class Throttled(Wrapper):
    """Keeps transfers to a rate."""

    def __init__(self, inner: Server, *, up: Bandwidth, down: Bandwidth) -> None:
        super().__init__(inner)
        self._up = up
        self._down = down

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        await self._up.wait()
        self._up.charge(sum(len(upload.content) for upload in uploads))
        return await super().upload(board_id, uploads)

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        await self._down.wait()
        start = sink.tell()
        try:
            return await super().download(item, sink)
        finally:
            self._down.charge(sink.tell() - start)
