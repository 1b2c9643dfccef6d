"""A file whose disk fails to give its bytes: tried ever more rarely, told, and healed by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from boardsync.engine.observe_files import hash_settled, observe_folder, observe_paths
from boardsync.engine.report import status
from boardsync.engine.why import why
from boardsync.files.disk import SystemDisk
from boardsync.plan.backoff import READING_CAP_SECONDS
from engine.world import World, picture, world


class BadSectors(SystemDisk):
    """Fails to give the bytes of some files, by their names. tries: how often it was asked to."""

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.tries = 0

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int:  # type: ignore[override]
        if os.path.basename(os.readlink(f"/proc/self/fd/{fd}")) in self.bad:
            self.tries += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.readv(fd, buffers)


@pytest.fixture
def disk() -> BadSectors:
    return BadSectors()


@pytest.fixture
async def here(tmp_path: Path, disk: BadSectors) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.disk = disk
        await made.restart()
        yield made


async def rounds(here: World, seconds: float) -> int:
    """Hash whenever hashing says that it is time to, for some time; return how often that was."""
    [mirror] = here.assembly.mirrors
    until, count = here.clock.monotonic() + seconds, 0
    while here.clock.monotonic() < until:
        done = await hash_settled(mirror)
        count += 1
        if done.next_ready_ns is None:
            break
        here.clock.skip(max(0.05, (done.next_ready_ns - here.clock.now_ns()) / 1e9))
    await hash_settled(mirror)  # so that the next one is not due
    return count + 1


async def see_settled(here: World) -> None:
    await observe_folder(here.assembly.mirrors[0])
    here.clock.skip(60)


async def test_it_is_tried_ever_more_rarely(here: World, disk: BadSectors) -> None:
    here.write("a.png")
    disk.bad.add("a.png")
    await see_settled(here)

    assert await rounds(here, 60) <= 10
    assert 4 <= disk.tries <= 10
    await rounds(here, 3600)
    before = disk.tries
    await rounds(here, 86_400)

    most = 86_400 / (0.7 * READING_CAP_SECONDS)
    assert 86_400 / (1.3 * READING_CAP_SECONDS) <= disk.tries - before <= most


async def test_status_and_why_tell_the_reason(here: World, disk: BadSectors) -> None:
    here.write("a.png")
    disk.bad.add("a.png")
    await see_settled(here)
    await rounds(here, 10)

    [told] = status(here.assembly.settings, here.state, here.clock)["mirrors"]

    assert (told["condition"], told["failing"], told["settling"]) == ("failing", 1, 0)
    [error] = told["errors"]
    assert (error["path"], error["error"]) == ("a.png", "cannot be read: Input/output error")
    assert error["attempts"] == disk.tries
    assert error["next_attempt_ms"] > here.clock.now_ns() // 1_000_000 - 10_000
    [known] = why(here.assembly.settings, here.state, "a.png")
    assert known["verdict"] == (
        f"cannot be read: Input/output error: it was tried {disk.tries} times,"
        " and is tried again by itself"
    )


async def test_soon_after_the_disk_works_again_the_file_goes_by_itself(
    here: World, disk: BadSectors
) -> None:
    for name in "abc":
        here.write(f"{name}.png", seed=ord(name))
        disk.bad.add(f"{name}.png")
    await see_settled(here)
    await rounds(here, 7200)
    disk.bad.clear()

    began = here.clock.monotonic()
    await rounds(here, 7200)
    assert here.clock.monotonic() - began < 1.3 * READING_CAP_SECONDS

    result = await here.look()
    assert (result.uploaded, result.failed, result.settling, result.errors) == (3, 0, 0, ())
    [told] = status(here.assembly.settings, here.state, here.clock)["mirrors"]
    assert (told["condition"], told["errors"]) == ("synced", [])


async def test_one_that_can_be_read_again_lets_the_others_be_tried_at_once(
    here: World, disk: BadSectors
) -> None:
    [mirror] = here.assembly.mirrors
    for name in "ab":
        here.write(f"{name}.png", seed=ord(name))
        disk.bad.add(f"{name}.png")
    await see_settled(here)
    await rounds(here, 7200)
    disk.bad.clear()
    due = (await hash_settled(mirror)).next_ready_ns
    assert due is not None
    here.clock.skip((due - here.clock.now_ns()) / 1e9)

    first = await hash_settled(mirror)
    assert len(first.paths) == 1
    assert first.next_ready_ns is not None
    assert first.next_ready_ns <= here.clock.now_ns()
    second = await hash_settled(mirror)
    assert sorted(first.paths + second.paths) == [b"a.png", b"b.png"]


async def test_a_change_that_the_watcher_sees_is_tried_without_waiting(
    here: World, disk: BadSectors
) -> None:
    [mirror] = here.assembly.mirrors
    here.write("a.png")
    disk.bad.add("a.png")
    await see_settled(here)
    await rounds(here, 7200)
    disk.bad.clear()
    assert (await hash_settled(mirror)).paths == []

    here.write("a.png", seed=2)
    await observe_paths(mirror, [b"a.png"])
    assert (await hash_settled(mirror, closed=[b"a.png"])).paths == [b"a.png"]


async def test_what_a_person_asks_for_is_tried_without_waiting(
    here: World, disk: BadSectors
) -> None:
    here.write("a.png")
    disk.bad.add("a.png")
    failed = await here.look(patience=0)
    assert (failed.failed, failed.good) == (1, False)
    assert failed.errors == ("a.png: cannot be read: Input/output error",)
    await rounds(here, 7200)
    before = disk.tries
    disk.bad.clear()

    await here.assembly.workers["m"].hurry()
    done = await hash_settled(here.assembly.mirrors[0])

    assert (done.paths, disk.tries) == ([b"a.png"], before)


async def test_a_clock_that_was_set_back_does_not_prolong_the_wait(
    here: World, disk: BadSectors
) -> None:
    here.write("a.png")
    disk.bad.add("a.png")
    await see_settled(here)
    await rounds(here, 7200)
    here.clock.ahead -= 365 * 86_400
    disk.bad.clear()

    await hash_settled(here.assembly.mirrors[0])  # its time lies ahead: its quiet begins anew
    here.clock.skip(3)

    assert (await hash_settled(here.assembly.mirrors[0])).paths == [b"a.png"]


async def test_a_file_that_is_gone_leaves_nothing_behind(here: World, disk: BadSectors) -> None:
    path = here.write("a.png")
    disk.bad.add("a.png")
    await see_settled(here)
    await rounds(here, 60)
    path.unlink()
    await observe_folder(here.assembly.mirrors[0])

    [told] = status(here.assembly.settings, here.state, here.clock)["mirrors"]
    assert (told["failing"], told["errors"]) == (0, [])
    # A later one of its name is another file.
    here.write("a.png", content=picture(3))
    disk.bad.clear()
    assert (await here.look()).uploaded == 1
