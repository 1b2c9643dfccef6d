"""The simulation's own parts do what histories rely on."""

from __future__ import annotations

import asyncio
import errno
import random
import time

import pytest

from boardsync.errors import Bug
from boardsync.files.durable import make_directories, move_without_replacing, sync_and_close
from sim.disk import SimDisk
from sim.loop import SimClock, SimLoop
from sim.process import Killed, Process

FLAGS = 0o102  # read, write, create


def a_disk(seed: int = 1, **traits: object) -> SimDisk:
    return SimDisk(lambda: 1_234_567_891, random.Random(seed), **traits)  # type: ignore[arg-type]


def write(disk: SimDisk, path: bytes, content: bytes, *, synced: bool) -> None:
    stream = disk.fdopen(disk.open(path, FLAGS, 0o666), "w+b")
    stream.write(content)
    if synced:
        sync_and_close(stream, disk)
    stream.close()


def test_an_hour_passes_at_once() -> None:
    loop, began = SimLoop(), time.monotonic()
    clock = SimClock(loop)

    loop.run_until_complete(clock.sleep(3600.0))
    loop.close()

    assert clock.monotonic() >= 3600.0
    assert time.monotonic() - began < 10.0


def test_a_wall_clock_that_steps_back_delays_nobody() -> None:
    loop = SimLoop()
    clock = SimClock(loop)
    before = clock.now_ns()
    clock.step(-3600.0)

    loop.run_until_complete(clock.sleep(1.0))
    loop.close()

    assert (clock.now_ns() - before) / 1e9 == pytest.approx(-3599.0)
    assert clock.monotonic() == pytest.approx(1.0, abs=0.001)


def test_a_wait_that_nobody_could_end_is_told() -> None:
    loop = SimLoop()

    with pytest.raises(Bug, match="for ever"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_a_threads_work_runs_in_the_loop_and_later() -> None:
    loop = SimLoop(lambda: 5.0)

    result = loop.run_until_complete(asyncio.wait_for(_threaded(), 10.0))
    loop.close()

    assert result == pytest.approx(5.0, abs=0.001)


async def _threaded() -> float:
    return await asyncio.to_thread(asyncio.get_running_loop().time)


def test_a_dead_process_takes_no_step_any_more() -> None:
    process = Process(dies_after=1)
    process.step("the first")

    for _ in range(2):
        with pytest.raises(Killed):
            process.step("one too many")
    assert not process.alive


@pytest.mark.parametrize("seed", range(20))
def test_a_power_cut_leaves_what_was_moved_durably(seed: int) -> None:
    disk = a_disk(seed)
    disk.put(b"/a/one.png", b"picture")
    make_directories(b"/b/deep", disk)

    move_without_replacing(b"/a/one.png", b"/b/deep/one.png", disk)
    disk.cut_power()

    assert disk.files(b"/") == {b"//b/deep/one.png": b"picture"}


def test_a_power_cut_can_take_what_was_not_synced() -> None:
    left = set()
    for seed in range(40):
        disk = a_disk(seed)
        write(disk, b"/one.png", b"picture", synced=False)
        disk.cut_power()
        left.add(disk.files(b"").get(b"/one.png"))

    assert left == {None, b"", b"pic", b"picture"}


def test_what_people_write_survives_a_power_cut() -> None:
    disk = a_disk()
    disk.put(b"/a/one.png", b"picture")
    disk.rename(b"/a", b"/b")

    disk.cut_power()

    assert disk.files(b"/b") == {b"/b/one.png": b"picture"}


def test_a_full_disk_takes_nothing_more() -> None:
    disk = a_disk()
    disk.faults.room = 3

    with pytest.raises(OSError, match="No space") as raised:
        write(disk, b"/one.png", b"picture", synced=True)

    assert raised.value.errno == errno.ENOSPC


def test_names_that_differ_in_case_are_one_name_where_the_disk_folds_them() -> None:
    disk = a_disk(folded=True)
    disk.put(b"/IMG.png", b"picture")
    disk.put(b"/other.png", b"another")

    assert disk.lexists(b"/img.PNG")
    with pytest.raises(FileExistsError):
        disk.rename_noreplace(b"/other.png", b"/img.png")
    assert disk.rename_noreplace(b"/IMG.png", b"/img.png")
    assert sorted(disk.files(b"")) == [b"/img.png", b"/other.png"]


def test_times_are_as_coarse_as_the_disk_keeps_them() -> None:
    disk = a_disk(granularity_ns=1_000_000_000)
    disk.put(b"/one.png", b"picture")

    assert disk.lstat(b"/one.png").st_mtime_ns == 1_000_000_000
