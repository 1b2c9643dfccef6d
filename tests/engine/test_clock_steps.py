"""A wall clock that steps, and times from another age: no file waits for a date."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.passes import Look, Pass
from engine.world import SteppingClock, StillClock, World, world

YEAR = 365 * 86_400.0


@pytest.fixture
def clock() -> SteppingClock:
    # Seconds are counted here: those that the machine is busy for must not be among them.
    return StillClock()


@pytest.fixture
async def here(tmp_path: Path, clock: SteppingClock) -> AsyncIterator[World]:
    async with world(tmp_path, clock=clock) as made:
        yield made


def write(here: World, name: str = "a.png") -> None:
    """Write a picture whose time is what the machine's clock says."""
    now = here.clock.now_ns()
    os.utime(here.write(name), ns=(now, now))


async def see(here: World) -> Pass:
    return await here.assembly.workers["m"].pass_now(Look.everywhere("test"))


async def test_a_file_that_was_seen_while_the_clock_was_ahead_goes_after_its_quiet(
    here: World, clock: SteppingClock
) -> None:
    clock.off = 10 * YEAR
    write(here)
    assert (await see(here)).hashed.waiting == 1
    clock.off = 0.0

    seen = await see(here)
    assert seen.hashed.waiting == 1
    assert seen.hashed.next_ready_ns is not None
    assert seen.hashed.next_ready_ns - clock.now_ns() <= 2e9

    clock.skip(2.5)
    assert (await see(here)).hashed.paths == [b"a.png"]
    assert (await here.look()).synced == 1


async def test_a_file_that_is_written_on_after_the_clock_was_set_back_still_waits_for_quiet(
    here: World, clock: SteppingClock
) -> None:
    clock.off = 10 * YEAR
    write(here)
    await see(here)
    clock.off = 0.0
    await see(here)
    clock.skip(1.9)
    write(here)

    assert (await see(here)).hashed.waiting == 1
    clock.skip(1.9)
    assert (await see(here)).hashed.waiting == 1
    clock.skip(0.2)
    assert (await see(here)).hashed.waiting == 0


async def test_a_small_correction_of_the_clock_does_not_shorten_the_quiet(
    here: World, clock: SteppingClock
) -> None:
    write(here)
    await see(here)
    clock.off = -0.5

    assert (await see(here)).hashed.waiting == 1
    clock.skip(1.0)
    assert (await see(here)).hashed.waiting == 1
    clock.skip(2.0)
    assert (await see(here)).hashed.waiting == 0


@pytest.mark.parametrize("year", [1970, 2100])
async def test_a_file_with_a_time_of_another_age_goes_like_any_other(
    here: World, year: int
) -> None:
    path = here.write("a.png")
    moment = int((year - 1970) * YEAR * 1e9)
    os.utime(path, ns=(moment, moment))

    result = await here.look()

    assert (result.uploaded, result.settling) == (1, 0)
    assert await here.quiet()


async def test_a_ghost_is_removed_in_time_although_the_clock_was_set_back(
    here: World, clock: SteppingClock
) -> None:
    here.server.faults.ghosts = 1
    here.write("a.png")
    await here.look(patience=0.0)
    clock.off -= 36_000

    await here.look(patience=300.0)

    assert [here.server._stored[one.item_id].whole for one in here.items()] == [True]


async def test_what_vanished_while_the_clock_was_ahead_is_removed_after_its_quiet(
    tmp_path: Path, clock: SteppingClock
) -> None:
    async with world(tmp_path, clock=clock, policies={"file_deleted": "trash"}) as here:
        gone = here.write("a.png")
        await here.look()
        clock.off = YEAR
        gone.unlink()
        await see(here)
        clock.off = 0.0

        await here.look()
        await here.look()

        assert here.items() == []
