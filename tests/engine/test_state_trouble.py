"""A state file that is damaged, or whose disk is full, under a daemon that runs."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from boardsync.engine.schedule import make_scheduler
from boardsync.engine.service import Service
from boardsync.errors import BoardsyncError, TryAgain
from boardsync.state import holds
from cli.place_kit import Place, wait_until
from engine.world import world
from places import in_namespace
from state.state_kit import logged


def overwrite(path: Path) -> None:
    """Write over all pages of a file but its first: what a failing disk does."""
    with path.open("rb+") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(4096)
        stream.write(b"\xff" * (size - 4096))


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_state_that_is_damaged_under_a_daemon_ends_it_and_the_next_start_heals(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    pictures = {f"p{seed}.png": place.picture(f"p{seed}.png", seed=seed) for seed in range(5)}
    with place.daemon() as daemon:
        wait_until(lambda: place.on_board() == pictures, daemon.told)
        wait_until(lambda: place.json("status")["mirrors"][0]["synced"] == 5, daemon.told)
        for path in (place.state, place.state.with_name("state.db-wal")):
            overwrite(path)
        pictures["new.png"] = place.picture("new.png", seed=9)

        assert daemon.ends() == 75

        told = daemon.told()
        assert "boardsync: the state file is damaged" in told.splitlines()[-1]
        assert "Traceback" not in told
        assert len([one for one in entries(told) if one["level"] == "error"]) == 1

    with place.daemon() as daemon:
        wait_until(lambda: place.on_board() == pictures, daemon.told)
        wait_until(lambda: place.json("status")["mirrors"][0]["synced"] == 6, daemon.told)
    assert len(list(place.state.parent.glob("state.db.corrupt-*"))) >= 1
    assert place.on_board() == pictures


async def test_a_table_that_is_taken_from_a_state_in_use_is_damage_and_no_passing_trouble(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        with closing(sqlite3.connect(here.state.path)) as db, db:
            db.execute("DROP TABLE hold")
        with pytest.raises(TryAgain, match="hold is missing"), here.state.read() as connection:
            holds.open_holds(connection, [1])
        assert "the next start of boardsync keeps it aside" in str(here.state.health.damage)


async def test_a_service_ends_in_good_order_when_a_check_finds_damage(tmp_path: Path) -> None:
    async with world(tmp_path) as here:

        async def find() -> None:
            await asyncio.to_thread(here.state.health.found, "page 7 is not what it was")

        with pytest.raises(TryAgain, match="damaged: page 7 is not what it was"):
            await Service(here.assembly).run(find)


async def test_the_timetables_check_tells_of_damage(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for seed in range(50):
            here.write(f"p{seed}.png", seed=seed)
        await here.look()
        await here.restart()
        [job] = [j for j in make_scheduler(here.assembly).get_jobs() if j.id == "check_database"]
        heard: list[BoardsyncError] = []
        here.state.health.listen(heard.append)
        await job.func()
        assert heard == []
        overwrite(here.state.path)
        await job.func()
        await job.func()
    assert len(heard) == 1


async def test_a_pass_that_the_state_does_not_allow_is_tried_again_and_is_no_bug(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.clock.skip(120)
        work, locked = here.state.write, "the state file cannot be used: locked"
        failures = [TryAgain(locked) for _ in range(5)]

        async def write(one: Callable[[Connection], object]) -> object:
            if failures:
                raise failures.pop()
            return await work(one)

        here.state.write = write  # type: ignore[assignment, method-assign]
        worker = here.assembly.workers["m"]
        worker.hint_everything("test")
        with logged() as lines:
            running = asyncio.create_task(worker.run())
            async with asyncio.timeout(20):
                while worker.last is None:
                    await asyncio.sleep(0.01)
            worker.stop()
            await running

    failed = [one for one in lines if one["event"].startswith("a pass could not be made")]
    assert {(one["mirror"], one["error"]) for one in failed} == {("m", locked)}
    assert not [one for one in lines if "bug" in one["event"]]


_ON_A_SMALL_DISK = """
import os, subprocess, sys, time
from contextlib import closing
from pathlib import Path
from boardsync.state import holds
from cli.place_kit import Place, wait_until

place = Place(Path(sys.argv[1]))
place.configure(more="schedule: {drain: 2 s}")
disk = place.state.parent
disk.mkdir(mode=0o700)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
place.picture("first.png")
filling = disk / "filling"

def fill():
    with filling.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            pass
    for seed in range(2, 202):
        place.picture(f"p{seed}.png", seed=seed)
    wait_until(lambda: "is full" in daemon.told(), daemon.told)

def heal():
    filling.unlink()

def synced():
    [mirror] = place.json("status")["mirrors"]
    return mirror["synced"] == 201 == len(place.on_board())

with place.daemon() as daemon:
    wait_until(lambda: len(place.on_board()) == 1, daemon.told)
    fill()
"""
_WAITS = """
    time.sleep(2)
    while_full = daemon.told()
    assert place.json("status")["daemon"]
    heal()
    wait_until(synced, daemon.told)
    print(while_full, "=====", daemon.told()[len(while_full):], sep="\\n")
"""
_STOPS = """
    daemon.process.terminate()
    assert daemon.ends() == 0
    assert "Traceback" not in daemon.told(), daemon.told()
heal()
with place.daemon() as daemon:
    wait_until(synced, daemon.told)
"""


@pytest.mark.real
def test_a_full_disk_of_the_state_is_told_once_and_waited_for(tmp_path: Path) -> None:
    told = in_namespace(_ON_A_SMALL_DISK + _WAITS, str(tmp_path), mounts=True)
    before, _, after = told.partition("=====")

    warned = [one["event"] for one in entries(before + after) if one["level"] != "info"]
    # The index lies on the same disk, and says so for itself; it can be thrown away.
    worries = [one for one in warned if one != "the index could not follow"]
    assert worries == ["the disk of the state file is full: everything waits for room on it"]
    assert worries[0] in before
    goings_on = [one for one in entries(after) if "can be written again" in one["event"]]
    assert len(goings_on) == 1


@pytest.mark.real
def test_a_daemon_that_waits_for_room_can_be_stopped_and_goes_on_at_its_next_start(
    tmp_path: Path,
) -> None:
    in_namespace(_ON_A_SMALL_DISK + _STOPS, str(tmp_path), mounts=True)


def test_a_daemon_whose_state_is_taken_away_puts_it_back_and_ends(tmp_path: Path) -> None:
    place = Place(tmp_path)
    pictures = {"one.png": place.picture("one.png")}
    with place.daemon() as daemon:
        wait_until(lambda: place.json("status")["mirrors"][0]["synced"] == 1, daemon.told)
        place.state.unlink()

        assert daemon.ends() == 75
        assert "was taken away while it was in use" in daemon.told().splitlines()[-1]
        assert "Traceback" not in daemon.told()

    assert place.json("status")["mirrors"][0]["synced"] == 1
    assert place.on_board() == pictures
