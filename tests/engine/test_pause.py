"""What is paused does nothing new, says so everywhere, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import steering
from boardsync.engine.assembly import assemble
from boardsync.engine.brake import Brake
from boardsync.engine.once import once
from boardsync.engine.planning import plan_mirrors
from boardsync.engine.schedule import CLOCK_SECONDS, follow_clock, make_scheduler
from boardsync.engine.service import carrying
from boardsync.engine.trash_can import purge_expired
from boardsync.engine.why import why
from boardsync.errors import SettingsError
from boardsync.state.database import open_scratch
from engine.rest_kit import HeldServer, living, standing_of, told, until
from engine.world import SteppingClock, World, picture, world

HOUR = 3600.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.server.add_board("board")
        yield made


class StandingClock(SteppingClock):
    """Nobody who looks at the clock every so often lets time pass by that."""

    async def sleep(self, seconds: float) -> None:
        if seconds == CLOCK_SECONDS:
            await asyncio.Event().wait()
        await super().sleep(seconds)


def since_ms(brake: Brake) -> int:
    pause = brake.pause()
    assert pause is not None
    return pause.since_ms


@pytest.mark.parametrize("target", [{}, {"mirrors": ["m"]}, {"server": "server"}])
async def test_nothing_is_looked_at_or_carried_out_until_it_is_resumed(
    here: World, target: dict[str, Any]
) -> None:
    here.write("a.png")
    here.server.put(here.board().board_id, "b.png", picture(2), size=(24, 16))
    standing = await steering.pause(here.assembly, **target)
    assert "paused since" in standing["mirrors"]["m"]
    here.server.calls.clear()

    result = await here.look()

    assert (result.paused, result.good, result.uploaded, result.downloaded) == (True, True, 0, 0)
    assert "paused since" in str(result.resting)
    assert sum(here.server.calls.values()) == 0

    told = await steering.resume(here.assembly, **target)
    assert told == {"mirrors": {"m": None}, "ended": 1}
    result = await here.look()
    assert (result.paused, result.uploaded, result.downloaded) == (False, 1, 1)


async def test_what_is_under_way_finishes_and_nothing_else_starts(tmp_path: Path) -> None:
    async with world(tmp_path, server=HeldServer()) as here:
        server = here.server
        assert isinstance(server, HeldServer)
        server.add_board("board")
        for seed in range(12):
            here.write(f"{seed}.png", seed=seed)
        here.clock.skip(120)
        async with living(here):
            here.assembly.workers["m"].hint_everything("test")
            await until(lambda: server.begun == 4)
            await steering.pause(here.assembly, ["m"])
            server.release.set()
            carrier = here.assembly.carriers["server"]
            await until(lambda: not carrier.under_way)
            await asyncio.sleep(0.2)
            assert (server.begun, len(here.items())) == (4, 4)
            assert told(here)["condition"] == "paused"
            assert told(here)["waiting"] == 8

            await steering.resume(here.assembly)
            await until(lambda: len(here.items()) == 12)


async def test_a_pause_outlives_the_process(here: World) -> None:
    here.write("a.png")
    await steering.pause(here.assembly, ["m"])
    await here.restart()
    assert (await here.look()).paused
    await steering.resume(here.assembly, ["m"])
    await here.restart()
    assert (await here.look()).uploaded == 1


async def test_a_pause_for_a_time_ends_by_itself_for_who_asks_and_in_the_daemon(
    here: World,
) -> None:
    here.write("a.png")
    await steering.pause(here.assembly, seconds=HOUR)
    here.clock.skip(HOUR - 200)
    assert (await here.look()).paused
    here.clock.skip(200)
    assert (await here.look()).uploaded == 1

    await steering.pause(here.assembly, seconds=HOUR)
    here.write("b.png", seed=2)
    async with living(here):
        here.assembly.workers["m"].hint_path(b"b.png", closed=True)
        await asyncio.sleep(0.1)
        assert len(here.items()) == 1
        here.clock.skip(HOUR)
        await until(lambda: len(here.items()) == 2)


async def test_hints_that_come_meanwhile_are_kept_and_everything_is_looked_at_afterwards(
    here: World,
) -> None:
    await here.look()
    async with living(here):
        await steering.pause(here.assembly, ["m"])
        await asyncio.sleep(0.1)
        here.write("nobody-says.png", seed=3)
        here.clock.skip(120)
        await asyncio.sleep(0.1)
        assert here.items() == []
        await steering.resume(here.assembly, ["m"])
        await until(lambda: len(here.items()) == 1)


async def test_whoever_asks_for_it_gets_it_all_the_same(here: World) -> None:
    here.write("a.png")
    await steering.pause(here.assembly)
    here.clock.skip(120)
    async with carrying(here.assembly):
        [result] = await once(here.assembly, even_paused=True)
        assert (result.uploaded, result.resting) == (1, None)
        here.write("b.png", seed=2)
        here.clock.skip(120)
        assert (await once(here.assembly))[0].paused


async def test_status_why_and_the_service_managers_line_say_since_when(here: World) -> None:
    here.write("a.png")
    await here.look()
    await steering.pause(here.assembly, server="server", seconds=HOUR)
    now = here.clock.now_ns() // 1_000_000

    mirror = told(here)

    assert mirror["condition"] == "paused"
    paused = mirror["paused"]
    assert (paused["scope"], paused["name"]) == ("server", "server")
    assert 0 <= now - paused["since_ms"] < 5_000
    assert paused["until_ms"] == paused["since_ms"] + HOUR * 1000
    assert mirror["resting"].startswith("server 'server' is paused since 20")
    assert ", until 20" in mirror["resting"]
    assert standing_of(here) == f"m: {mirror['resting']}"
    [found] = why(here.assembly.settings, here.state, "a.png", clock=here.clock)
    assert found["resting"] == mirror["resting"]
    assert found["verdict"].startswith("synced")

    await steering.resume(here.assembly)
    assert (told(here)["condition"], told(here)["resting"]) == ("synced", None)
    assert standing_of(here) == "watching m"


async def test_a_plan_shows_what_would_happen_and_that_it_does_not(
    here: World, tmp_path: Path
) -> None:
    here.write("a.png")
    await here.look()
    await steering.pause(here.assembly, ["m"])
    here.write("b.png", seed=2)
    here.clock.skip(120)
    (tmp_path / "scratch").mkdir()
    scratch = open_scratch(here.state.path, tmp_path / "scratch")
    try:
        copy = await assemble(here.assembly.settings, scratch, here.clock, {"server": here.server})
        planned = await plan_mirrors(copy, ["m"])
    finally:
        scratch.close()
    assert [one["path"] for one in planned["actions"]] == ["b.png"]
    [remark] = planned["remarks"]
    assert remark.startswith("m: paused since ")
    assert remark.endswith("nothing of this is done")
    assert len(here.items()) == 1


async def test_ending_one_pause_leaves_the_others_and_ending_all_none(here: World) -> None:
    await steering.pause(here.assembly)
    await steering.pause(here.assembly, ["m"])
    left = await steering.resume(here.assembly, ["m"])
    assert left["ended"] == 1
    assert left["mirrors"]["m"].startswith("everything is paused since")
    await steering.pause(here.assembly, server="server")
    assert await steering.resume(here.assembly) == {"mirrors": {"m": None}, "ended": 2}


async def test_strangers_are_refused_with_the_names_that_there_are(here: World) -> None:
    with pytest.raises(SettingsError, match="no server is called 'x'; there are: server"):
        await steering.pause(here.assembly, server="x")
    with pytest.raises(SettingsError, match="no mirror is called 'x'; there are: m"):
        await steering.resume(here.assembly, ["x"])
    with pytest.raises(SettingsError, match="one of the two"):
        await steering.pause(here.assembly, ["m"], server="server")
    assert told(here)["paused"] is None


async def test_the_trash_of_what_is_paused_is_not_emptied(tmp_path: Path) -> None:
    removes = {"file_deleted": "trash"}
    async with world(tmp_path, policies=removes, trash={"keep": "1 h"}) as here:
        here.write("a.png")
        await here.look()
        (here.folder / "a.png").unlink()
        await here.look(patience=300.0)
        await here.look(patience=300.0)
        assert here.items() == []
        here.clock.skip(2 * HOUR)
        await steering.pause(here.assembly, ["m"])
        here.server.calls.clear()
        assert not await purge_expired(here.assembly)
        assert sum(here.server.calls.values()) == 0
        await steering.resume(here.assembly, ["m"])
        assert await purge_expired(here.assembly)
        assert here.server.calls["purge"] == 1


async def test_a_clock_that_is_set_back_makes_a_pause_no_longer(tmp_path: Path) -> None:
    clock = StandingClock()
    async with world(tmp_path, clock=clock) as here:
        here.server.add_board("board")
        here.write("a.png")
        await steering.pause(here.assembly, ["m"], seconds=HOUR)
        clock.off -= 400 * 86_400.0
        following = asyncio.create_task(follow_clock(make_scheduler(here.assembly), here.assembly))
        # As at a start after the clock was set: `ahead` is not known, so nothing is early yet.
        brake = here.assembly.mirrors[0].brake
        await until(lambda: since_ms(brake) <= clock.now_ns() // 1_000_000)
        following.cancel()
        clock.skip(HOUR + 60)
        assert told(here)["paused"] is None
        assert (await here.look()).uploaded == 1


async def test_sync_has_everything_looked_at_and_says_what_is_paused(here: World) -> None:
    await here.look()
    here.write("a.png")
    here.clock.skip(120)
    async with living(here):
        await asyncio.sleep(0.1)
        assert here.items() == []
        assert steering.sync(here.assembly, ["m"]) == {"mirrors": {"m": None}}
        await until(lambda: len(here.items()) == 1)
        await steering.pause(here.assembly)
        assert "paused" in steering.sync(here.assembly)["mirrors"]["m"]
