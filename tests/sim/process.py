"""The life of one process of the daemon, and its end at any step.

Every step that touches the world asks first whether the process still lives. So a kill stops
everything at once, like SIGKILL: what runs on afterwards, cleaning up, has no hands any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from boardsync.state.writer import Parting, Work, Writer

T = TypeVar("T")


class Killed(BaseException):
    """The process is dead."""


class Process:
    """Counts the steps of a process. dies_after: steps that it has left; None: no end is set."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.alive = True
        self.steps = 0
        self.last = ""
        self.died = asyncio.Event()
        self._dies_after = dies_after

    def step(self, name: str) -> None:
        """Take one step. Raises Killed when it is the last, and ever after."""
        if not self.alive:
            raise Killed
        self.steps += 1
        self.last = name
        if self._dies_after is not None and self.steps > self._dies_after:
            self.kill()
            raise Killed

    def kill(self) -> None:
        """End it."""
        self.alive = False
        self.died.set()


class SteppingWriter:
    """A writer that yields like the real one, in order, each commit being two steps."""

    def __init__(self, inner: Writer, process: Process, delay: Callable[[], float]) -> None:
        self._inner = inner
        self._process = process
        self._delay = delay
        self._waiting: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()

    async def write(self, work: Work[T]) -> T:
        self._process.step("commit")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((work, done))
        loop.call_later(self._delay(), self._carry_out)
        result: T = await asyncio.shield(done)
        self._process.step("committed")
        return result

    def write_now(self, work: Work[T]) -> T:
        self._process.step("commit")
        result = self._inner.write_now(work)
        self._process.step("committed")
        return result

    def wait_for_room(self, seconds: float = 1.0) -> None:
        self._inner.wait_for_room(seconds)

    def close(self, last: Parting | None = None) -> None:
        self._inner.close(last)

    def _carry_out(self) -> None:
        work, done = self._waiting.popleft()
        if not self._process.alive:
            if not done.done():
                done.set_exception(Killed())
                done.exception()  # whoever waited for it may be gone
            return
        try:
            result = self._inner.write_now(work)
        except BaseException as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(result)
