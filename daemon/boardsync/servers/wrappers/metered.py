"""Counting: what was asked of a server, how it went, how long it took and how much it moved."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO, Protocol, TypeVar

from boardsync.model import Download, Item, Upload, UploadResult
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.wrapper import Wrapper

T = TypeVar("T")

OK = "ok"


class Meter(Protocol):
    """Takes what was measured. Called from the event loop, once for each operation."""

    def observe(
        self, operation: str, seconds: float, outcome: str, sent: int, received: int
    ) -> None:
        """Count one operation.

        outcome: `ok`, or the class name of the error (the first one's of a batch that had
        several). sent, received: bytes of pictures, of failed transfers too.
        """

    def retried(self, operation: str) -> None:
        """Count that an operation is asked again. Each of its attempts is observed, too."""


class Metered(Wrapper):
    """Tells a meter about every operation. The clock is monotonic, in seconds."""

    def __init__(
        self, inner: Server, meter: Meter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inner)
        self._meter = meter
        self._clock = clock

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        return await self._measure(
            "upload",
            lambda: self._inner.upload(board_id, uploads),
            outcome=_batch_outcome,
            sent=lambda: sum(len(upload.content) for upload in uploads),
        )

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        start = sink.tell()
        return await self._measure(
            "download",
            lambda: self._inner.download(item, sink),
            received=lambda: sink.tell() - start,
        )

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self._measure(operation, call)

    async def _measure(
        self,
        operation: str,
        call: Callable[[], Awaitable[T]],
        *,
        outcome: Callable[[T], str] = lambda _result: OK,
        sent: Callable[[], int] = lambda: 0,
        received: Callable[[], int] = lambda: 0,
    ) -> T:
        start = self._clock()
        ended = OK
        try:
            result = await call()
            ended = outcome(result)
        except BaseException as error:
            ended = type(error).__name__
            raise
        finally:
            self._meter.observe(operation, self._clock() - start, ended, sent(), received())
        return result


def _batch_outcome(results: Sequence[UploadResult]) -> str:
    errors = (type(result.error).__name__ for result in results if result.error is not None)
    return next(errors, OK)
