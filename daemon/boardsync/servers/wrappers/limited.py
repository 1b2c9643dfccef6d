"""How much at once: transfers in parallel, and requests in a second."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from aiolimiter import AsyncLimiter

from boardsync.servers.port import Server
from boardsync.servers.wrappers.wrapper import Wrapper

T = TypeVar("T")

_TRANSFERS = frozenset({"upload", "download"})


class Limited(Wrapper):
    """Lets so many uploads, downloads and calls through, and the others wait.

    uploads_at_once, downloads_at_once: None is what the kind recommends when the first
    transfer starts; some know that only after a probe. requests_per_second: for calls of any
    kind, None is without a limit. A call may take more than one request, so this is the
    budget's order of size, not its exact count.
    """

    def __init__(
        self,
        inner: Server,
        *,
        uploads_at_once: int | None = None,
        downloads_at_once: int | None = None,
        requests_per_second: float | None = None,
    ) -> None:
        super().__init__(inner)
        self._wanted = (uploads_at_once, downloads_at_once)
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._rate = _limiter(requests_per_second)

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        async with AsyncExitStack() as held:
            if operation in _TRANSFERS:
                await held.enter_async_context(self._slot(operation))
            if self._rate is not None:
                await self._rate.acquire()
            return await call()

    def _slot(self, operation: str) -> asyncio.Semaphore:
        if not self._slots:
            uploads, downloads = self._wanted
            kind = self.capabilities
            self._slots = {
                "upload": asyncio.Semaphore(uploads or kind.uploads_at_once),
                "download": asyncio.Semaphore(downloads or kind.downloads_at_once),
            }
        return self._slots[operation]


class Slots:
    """Places for so many at one time, given in the order in which they are asked for.

    most: how many there are, or what tells it, None without a limit. It may change: with fewer,
    those who hold one go on, and who comes next waits until enough have been given back.
    """

    def __init__(self, most: Callable[[], int | None] | int | None = None) -> None:
        self._most = most if callable(most) else lambda: most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.held = 0

    async def __aenter__(self) -> None:
        if not self._waiting and self._free():
            self.held += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:  # it was given at the same moment
                self.held -= 1
            self.look_again()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.held -= 1
        self.look_again()

    def look_again(self) -> None:
        """Give what is free to those who wait: one came back, or there are more."""
        while self._free() and (turn := self._next()) is not None:
            self.held += 1
            turn.set_result(None)

    def _free(self) -> bool:
        most = self._most()
        return most is None or self.held < most

    def _next(self) -> asyncio.Future[None] | None:
        """Take the first who still waits out of the row."""
        for turn in self._waiting:
            if not turn.done():
                self._waiting.remove(turn)
                return turn
        return None


class Sharing(Wrapper):
    """Lets a transfer through while it holds one of the slots that all servers share.

    Inside of whatever else makes a transfer wait: who waits for bandwidth takes no slot from
    other servers.
    """

    def __init__(self, inner: Server, slots: Slots) -> None:
        super().__init__(inner)
        self._slots = slots

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        if operation not in _TRANSFERS:
            return await call()
        async with self._slots:
            return await call()


def _limiter(requests_per_second: float | None) -> AsyncLimiter | None:
    """Allow a second's worth of calls at once; below one call a second, one at a time."""
    if requests_per_second is None:
        return None
    return AsyncLimiter(max(requests_per_second, 1.0), max(1.0, 1.0 / requests_per_second))
