"""An event loop with its own time, so that one seed gives one history.

When nothing is ready, time jumps to the next timer. Threads are imitated: what is handed to one
runs in the loop, all at once, after a moment that the loop's `delay` chooses.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from boardsync.errors import Bug

EPOCH_NS = 1_790_000_000 * 1_000_000_000
"""When every history begins: some day in 2026."""
GRAIN = 1e-6
"""Timers that are due within this are due: sums of seconds are not exact."""
MOST_TURNS = 100_000
"""So many turns of the loop without any wait are no work any more."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time it was to wait has passed. A turn takes a moment, as always."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._idle = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Bug("everybody waits for somebody else, for ever")
        self._idle = 0 if timeout > 0 else self._idle + 1
        if self._idle > MOST_TURNS:
            raise Bug("everybody is busy, and nobody waits")
        self.now += max(timeout, GRAIN)
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """Time begins at 0. delay: seconds that the next piece of a thread's work waits."""

    def __init__(self, delay: Callable[[], float] = lambda: 0.0) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = GRAIN
        self._delay = delay

    def time(self) -> float:
        return self._jumping.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass at once: something was slow."""
        self._jumping.now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in the loop; a thread's work is not stopped by giving up on it."""
        future: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except BaseException as error:
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.call_later(self._delay(), run)
        return future


class SimClock:
    """The loop's time; its wall time can step, which waits do not notice."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.off_ns = 0
        self.set_back = False
        self.stepped = False

    def step(self, seconds: float) -> None:
        """Set the wall clock back or ahead."""
        self.off_ns += int(seconds * 1e9)
        self.set_back |= seconds < 0
        self.stepped = True

    def now_ns(self) -> int:
        return EPOCH_NS + int(self._loop.time() * 1e9) + self.off_ns

    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return
