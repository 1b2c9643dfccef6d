"""What the operating system says of this process."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from boardsync.telemetry import names
from boardsync.telemetry.process import LoopLag, process_samples


def test_this_process_is_measured() -> None:
    told = {one.metric: one.value for one in process_samples()}
    memory, began = told[names.PROCESS_MEMORY], told[names.PROCESS_START]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert memory == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.1)
    assert time.time() - 24 * 3600 < began < time.time()  # type: ignore[operator]
    assert told[names.PROCESS_THREADS] == pytest.approx(threading.active_count(), abs=8)
    assert told[names.PROCESS_CPU] == pytest.approx(time.process_time(), abs=1)


def test_open_files_are_counted_one_by_one() -> None:
    def count() -> float:
        [found] = [one.value for one in process_samples() if one.metric is names.PROCESS_FDS]
        assert isinstance(found, int)
        return found

    before = count()
    with open(os.devnull, "rb"), open(os.devnull, "rb"):
        assert count() == before + 2
    assert count() == before


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    told = {one.metric for one in process_samples(tmp_path)}
    assert told == {names.PROCESS_MAX_FDS, names.PROCESS_CPU}


class Waking:
    """A loop that wakes when it is told to, as late as it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lag = LoopLag(lambda: self.now)

    def wake(self, late: float) -> None:
        timer = self.lag._timer
        assert timer is not None
        self.now += self.lag.EVERY_SECONDS + late
        timer._run()
        timer.cancel()


async def test_the_longest_delay_of_the_last_minute_is_told() -> None:
    waking = Waking()
    waking.lag.start()
    assert waking.lag.worst() == 0
    waking.wake(0.0)
    waking.wake(1.5)
    waking.wake(0.25)
    assert waking.lag.worst() == 1.5
    for _ in range(10):
        waking.wake(0.0)
    assert waking.lag.worst() == 1.5
    waking.wake(0.0)
    assert waking.lag.worst() == 0.25
    waking.lag.stop()
    await asyncio.sleep(0)
