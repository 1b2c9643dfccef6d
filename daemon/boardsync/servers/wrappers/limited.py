"""How much at once: transfers in parallel, and requests in a second."""

from __future__ import annotations

import asyncio
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


class Sharing(Wrapper):
    """Lets a transfer through while it holds one of the slots that all servers share.

    Inside of whatever else makes a transfer wait: who waits for bandwidth takes no slot from
    other servers.
    """

    def __init__(self, inner: Server, slots: asyncio.Semaphore) -> None:
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
