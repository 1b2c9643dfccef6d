"""What the operating system says of this process: memory, time, open files. Linux only.

What cannot be read is left out, never guessed: a metric that is missing is no lie.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from boardsync.telemetry import names
from boardsync.telemetry.counters import Sample, sample

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Of /proc/PID/stat (proc(5)), counted behind the program's name, which may hold anything.
_THREADS, _BEGAN, _RESIDENT = 17, 19, 21


def process_samples(proc: Path = _PROC) -> list[Sample]:
    """Measure this process."""
    return [*_of_stat(proc), *_of_files(proc), *_of_time()]


def _of_stat(proc: Path) -> Iterator[Sample]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = (proc / "self/stat").read_text().rpartition(")")[2].split()
        yield sample(names.PROCESS_THREADS, int(fields[_THREADS]))
        yield sample(names.PROCESS_MEMORY, int(fields[_RESIDENT]) * _PAGE)
        boot = (proc / "stat").read_text().partition("\nbtime ")[2].split()[0]
        yield sample(names.PROCESS_START, int(boot) + int(fields[_BEGAN]) / _TICKS)


def _of_files(proc: Path) -> Iterator[Sample]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield sample(names.PROCESS_MAX_FDS, soft)
    with contextlib.suppress(OSError):
        # Without the one that reads the directory.
        yield sample(names.PROCESS_FDS, len(os.listdir(proc / "self/fd")) - 1)


def _of_time() -> Iterator[Sample]:
    yield sample(names.PROCESS_CPU, time.process_time())


class LoopLag:
    """How late the event loop is: what blocks it holds up every mirror at once.

    It looks rarely: an idle daemon shall sleep.
    """

    EVERY_SECONDS = 5.0
    KEPT = 12

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[float] = deque(maxlen=self.KEPT)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, on the running loop."""
        loop = asyncio.get_running_loop()
        due = self._clock() + self.EVERY_SECONDS
        self._timer = loop.call_later(self.EVERY_SECONDS, self._look, due)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def worst(self) -> float:
        """Return the longest delay of the last minute, in seconds."""
        return max(self._seen, default=0.0)

    def _look(self, due: float) -> None:
        self._seen.append(max(0.0, self._clock() - due))
        self.start()
