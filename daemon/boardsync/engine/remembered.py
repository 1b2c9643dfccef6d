"""A value that takes long to find: it is found anew the more rarely the longer that takes.

So whoever asks often costs a small share of a processor at most, and nobody waits for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from boardsync.errors import BoardsyncError

log = structlog.get_logger(__name__)
T = TypeVar("T")


def in_a_thread(work: Callable[[], None]) -> None:
    """Do something beside everything else. It does not keep the process from ending."""
    threading.Thread(target=work, name="boardsync-counting", daemon=True).start()


class Remembered(Generic[T]):
    """What `find` found last.

    share: it is not looked for again within so many times the processor's time that it took.
    turn: held meanwhile, so that of several values one is looked for at a time.
    """

    def __init__(
        self,
        find: Callable[[], T],
        share: float,
        turn: threading.Lock,
        *,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
        start: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._find = find
        self._share = share
        self._turn = turn
        self._clock = clock
        self._cost = cost
        self._start = start
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._due = 0.0
        self._value: T | None = None

    def begin(self) -> None:
        """Have it looked for if that is due. Does not wait."""
        with self._lock:
            if not self._idle.is_set() or self._clock() < self._due:
                return
            self._idle.clear()
        self._start(self._look)

    def newest(self, patience: float) -> T | None:
        """Return the newest value; None while none was found yet.

        patience: seconds to wait for what is being looked for; then the one before is told.
        """
        self._idle.wait(max(0.0, patience))
        return self._value

    def _look(self) -> None:
        try:
            with self._turn:
                began = self._cost()
                try:
                    self._value = self._find()
                finally:
                    self._due = self._clock() + (self._cost() - began) * self._share
        except BoardsyncError as error:
            log.debug("not counted", why=str(error))
        finally:
            self._idle.set()
