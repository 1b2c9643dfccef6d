"""Quiet hours, and a disk below its floor: both sides are looked at, and transfers wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from boardsync.config.limits import Floor
from boardsync.engine.brake import ROOM_SECONDS
from boardsync.engine.once import once
from boardsync.engine.room import find_shortage
from boardsync.engine.service import carrying
from boardsync.files.disk import PathArg, SystemDisk
from engine.rest_kit import HeldServer, looking, standing_of, told, until
from engine.world import SkippingClock, World, picture, world
from state.state_kit import logged

GIB = 1024**3
HOUR = 3600.0


class SmallDisk(SystemDisk):
    """A disk whose room a test decides."""

    free = 0

    def room(self, path: PathArg) -> tuple[int, int]:
        os.statvfs(path)
        return self.free, 100 * GIB


class NotingClock(SkippingClock):
    """Takes note of what is waited for. While it stands, no wait is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.standing = False

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        if not self.standing:
            await super().wait(event, seconds)
            return
        self.waits.append(math.inf if seconds is None else seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), 0.02)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.server.add_board("board")
        yield made


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.server.add_board("board")
        made.disk = SmallDisk()
        await made.restart()
        yield made


async def be_quiet(here: World, where: str = "limits", hours: float = -1.0) -> datetime:
    """Let it be quiet from so many hours from now until two hours from now; return that end."""
    now = datetime.fromtimestamp(here.clock.now_ns() / 1e9, UTC).replace(second=0, microsecond=0)
    end = now + timedelta(hours=2)
    window = f"{now + timedelta(hours=hours):%H:%M}-{end:%H:%M}"
    here.settings["limits"] = {"timezone": "UTC"}
    place = here.settings["limits"] if where == "limits" else here.settings["servers"]["server"]
    place["quiet"] = [window]
    await here.restart()
    return end


@pytest.mark.parametrize("where", ["limits", "server"])
async def test_in_quiet_hours_both_sides_are_looked_at_and_what_is_planned_waits(
    here: World, where: str
) -> None:
    end = await be_quiet(here, where)
    here.write("a.png")
    here.server.put(here.board().board_id, "b.png", picture(2), size=(24, 16))

    result = await here.look()

    assert (result.uploaded, result.downloaded, result.left) == (0, 0, 2)
    assert (result.good, result.paused) == (True, False)
    assert result.resting is not None
    assert result.resting.startswith("quiet until ")
    assert result.resting.endswith(f"{end:%H:%M}")
    assert here.server.calls["listing"] > 0
    assert (told(here)["condition"], told(here)["waiting"]) == ("quiet", 2)
    assert told(here)["resting"] == result.resting
    assert standing_of(here) == f"m: {result.resting}"


async def test_when_it_is_over_what_waited_goes_by_itself(here: World) -> None:
    await be_quiet(here)
    here.write("a.png")
    await here.look()
    async with carrying(here.assembly):
        await asyncio.sleep(0.1)
        assert here.items() == []
        here.clock.skip(2 * HOUR)
        await until(lambda: len(here.items()) == 1)
    assert (await here.look()).resting is None
    assert told(here)["condition"] == "synced"


async def test_when_quiet_hours_begin_nothing_more_starts(tmp_path: Path) -> None:
    async with world(tmp_path, server=HeldServer()) as here:
        server = here.server
        assert isinstance(server, HeldServer)
        server.add_board("board")
        await be_quiet(here, hours=1.0)
        for seed in range(12):
            here.write(f"{seed}.png", seed=seed)
        here.clock.skip(120)
        async with carrying(here.assembly):
            async with looking(here):
                here.assembly.workers["m"].hint_everything("test")
                await until(lambda: server.begun == 4)
            # From here on nobody tells the carrier anything: it looks at the clock itself.
            here.clock.skip(1.2 * HOUR)
            server.release.set()
            await until(lambda: not here.assembly.carriers["server"].under_way)
            await asyncio.sleep(0.2)
            assert (server.begun, len(here.items())) == (4, 4)


async def test_the_end_of_quiet_hours_is_waited_for_and_not_a_minute_longer(
    tmp_path: Path,
) -> None:
    clock = NotingClock()
    async with world(tmp_path, clock=clock) as here:
        here.server.add_board("board")
        end = await be_quiet(here)
        here.write("a.png")
        await here.look()
        clock.skip(end.timestamp() - clock.now_ns() / 1e9 - 20.0)
        clock.waits.clear()
        clock.standing = True
        async with carrying(here.assembly):
            await asyncio.sleep(0.1)
        assert 15.0 < min(clock.waits) <= 20.0


async def test_whoever_asks_for_it_gets_it_in_quiet_hours_too(here: World) -> None:
    await be_quiet(here)
    here.write("a.png")
    here.clock.skip(120)
    async with carrying(here.assembly):
        [result] = await once(here.assembly, even_paused=True)
    assert (result.uploaded, result.resting) == (1, None)


async def test_a_removal_that_waits_for_consent_is_told_as_failed_in_quiet_hours_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as here:
        for seed in range(20):
            here.write(f"{seed:02}.png", seed=seed)
        await here.look()
        await be_quiet(here)
        for path in list(here.folder.iterdir())[:15]:
            path.unlink()
        await here.look()
        result = await here.look()
        assert (result.held, result.good) == (15, False)


async def test_in_quiet_hours_the_board_is_looked_at_as_seldom_as_the_settings_allow(
    here: World,
) -> None:
    here.settings["schedule"] = {"listing_poll_min": "2 s", "listing_poll_max": "50 s"}
    await be_quiet(here)
    await here.look()
    here.server.calls.clear()
    began = here.clock.ahead
    async with looking(here):
        await until(lambda: here.clock.ahead - began > 1000)
    assert 15 <= here.server.calls["listing"] <= 21


async def test_below_the_floor_downloads_wait_and_uploads_go_on(small: World) -> None:
    small.write("a.png")
    for seed in range(2, 10):
        small.server.put(small.board().board_id, f"{seed}.png", picture(seed), size=(24, 16))

    with logged() as lines:
        result = await small.look()

    assert (result.uploaded, result.downloaded, result.left) == (1, 0, 8)
    assert not result.good
    assert result.trouble is not None
    assert "only 0 MiB of the disk are free, and 1024 MiB are to stay so" in result.trouble
    assert small.server.calls["download"] == 0
    assert [name for name in small.local() if "boardsync-tmp" in name] == []
    # They wait for the same, so it is said once, and of no picture that it failed.
    assert len([one for one in lines if "are to stay so" in one["event"]]) == 1
    assert (result.failed, told(small)["errors"]) == (0, [])


async def test_the_service_managers_line_says_what_is_missing_while_it_is(here: World) -> None:
    here.assembly.mirrors[0].brake.note_room("the disk is nearly full")
    here.clock.skip(ROOM_SECONDS + 1)  # the next look is under way
    assert standing_of(here) == "m: the disk is nearly full"
    here.clock.skip(ROOM_SECONDS)
    assert standing_of(here) == "watching m"


async def test_they_go_on_by_themselves_when_there_is_room(small: World) -> None:
    small.server.put(small.board().board_id, "b.png", picture(2), size=(24, 16))
    await small.look()
    async with carrying(small.assembly):
        small.clock.skip(ROOM_SECONDS)
        await asyncio.sleep(0.2)
        assert small.server.calls["download"] == 0
        disk = small.disk
        assert isinstance(disk, SmallDisk)
        disk.free = 2 * GIB
        small.clock.skip(ROOM_SECONDS)
        await until(lambda: small.server.calls["download"] == 1)
    assert list(small.local().values()) == [picture(2)]


async def test_whoever_asks_after_making_room_waits_for_nothing(small: World) -> None:
    small.server.put(small.board().board_id, "b.png", picture(2), size=(24, 16))
    await small.look()
    disk = small.disk
    assert isinstance(disk, SmallDisk)
    disk.free = 2 * GIB
    async with carrying(small.assembly):
        [result] = await once(small.assembly)
    assert (result.downloaded, result.trouble) == (1, None)


async def test_without_a_floor_nobody_asks_how_full_the_disk_is(small: World) -> None:
    small.settings["limits"] = {"free_disk": None}
    await small.restart()
    small.server.put(small.board().board_id, "b.png", picture(2), size=(24, 16))
    assert (await small.look()).downloaded == 1


def test_a_place_that_is_not_there_yet_is_judged_by_the_directory_around_it(
    tmp_path: Path,
) -> None:
    disk = SmallDisk()
    found = find_shortage(bytes(tmp_path), b"not/there/yet", Floor(GIB), disk)
    assert found is not None
    assert found.startswith(f"{tmp_path}: only 0 MiB")
    disk.free = GIB
    assert find_shortage(bytes(tmp_path), b"not/there/yet", Floor(GIB), disk) is None


def test_a_disk_that_cannot_be_asked_is_taken_to_have_room(tmp_path: Path) -> None:
    class Mute(SystemDisk):
        def room(self, path: PathArg) -> tuple[int, int]:
            raise OSError(5, "Input/output error")

    assert find_shortage(bytes(tmp_path), b"outputs", Floor(GIB), Mute()) is None
