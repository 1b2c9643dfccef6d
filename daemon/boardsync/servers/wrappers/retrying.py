"""Short patience: what only reads is asked again a few times before it counts as failed.

Writes are never repeated here. An upload whose answer was lost may have happened, and only
the engine knows how to look it up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import stamina

from boardsync.errors import TryAgain
from boardsync.model import Download, Item
from boardsync.servers.port import Server
from boardsync.servers.wrappers.wrapper import Wrapper

T = TypeVar("T")

# What is tried again is no news: the engine tells what failed in the end, once.
stamina.instrumentation.set_on_retry_hooks([])

_WRITES = frozenset(
    {
        "create_board",
        "rename_board",
        "upload",
        "delete_ghost",
        "move",
        "trash",
        "untrash",
        "purge",
        "delete",
    }
)


@dataclass(frozen=True, slots=True)
class Pauses:
    """How often a read is tried, and how long to wait in between, in seconds.

    The wait doubles from `first` to `longest`, plus a random part up to `jitter`. A server
    that names a wait of its own gets it, unless that is beyond `patience`: then the error
    goes to the caller at once, who waits better than a call under way.
    """

    attempts: int = 3
    first: float = 0.25
    longest: float = 5.0
    jitter: float = 0.25
    patience: float = 30.0


class Retrying(Wrapper):
    """Repeats reads that failed with TryAgain."""

    def __init__(
        self,
        inner: Server,
        pauses: Pauses | None = None,
        retried: Callable[[str], None] = lambda _operation: None,
    ) -> None:
        super().__init__(inner)
        self._pauses = pauses or Pauses()
        self._retried = retried

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        """Download; what a broken attempt left in `sink` is taken out of it again."""
        start = sink.tell()

        async def attempt() -> Download:
            if sink.tell() != start:
                sink.seek(start)
                sink.truncate()
            return await self._inner.download(item, sink)

        return await self._call("download", attempt)

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        if operation in _WRITES:
            return await call()
        pauses = self._pauses
        repeat = stamina.AsyncRetryingCaller(
            attempts=pauses.attempts,
            timeout=None,
            wait_initial=pauses.first,
            wait_max=pauses.longest,
            wait_jitter=pauses.jitter,
        )
        attempts = 0

        async def attempt() -> T:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                self._retried(operation)
            return await call()

        return await repeat(self._wait_for, attempt)

    def _wait_for(self, error: Exception) -> bool | float:
        """Tell whether to ask again: False, True, or after so many seconds."""
        if not isinstance(error, TryAgain):
            return False
        if error.retry_after is None:
            return True
        return error.retry_after <= self._pauses.patience and error.retry_after
