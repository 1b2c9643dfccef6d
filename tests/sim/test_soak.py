"""A day of work and of nothing: what a daemon holds does not grow with its age."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from boardsync.engine.assembly import Assembly
from boardsync.state.schema import metadata
from sim.fate import act, draw_disk_faults
from sim.history import World, answer_holds, calm, run
from sim.setup import draw_weather

HOUR = 3600.0
WORK_HOURS = 6
IDLE_HOURS = 18
ACT_EVERY = 90.0
OUR_CODE = ("*/boardsync/*", "*/sqlalchemy/*", "*/apscheduler/*", "*/asyncio/*")
GROWTH_BYTES = 128 << 10
"""Caches that fill up slowly may take so much in a day."""
HISTORY = {"run"}
"""Kept for a month; the table is pruned by the timetable."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a daemon holds at a moment. memory: bytes that our code and its libraries hold."""

    rows: dict[str, int]
    tasks: int
    memory: int
    asked: int


def held(world: World, assembly: Assembly) -> Held:
    """Measure it."""
    gc.collect()
    filters = [tracemalloc.Filter(True, pattern) for pattern in OUR_CODE]
    snapshot = tracemalloc.take_snapshot().filter_traces(filters)
    with assembly.state.read() as connection:
        rows = {
            one.name: connection.execute(text(f"SELECT count(*) FROM {one.name}")).scalar() or 0
            for one in metadata.sorted_tables
        }
    memory = sum(one.size for one in snapshot.statistics("filename"))
    return Held(rows, len(asyncio.all_tasks()), memory, sum(world.server.calls.values()))


async def work(world: World, assembly: Assembly) -> None:
    """Let people work, under faults that come and go; the daemon itself lives on."""
    until = world.loop.time() + WORK_HOURS * HOUR
    acts = 0
    while world.loop.time() < until:
        await asyncio.sleep(world.source.random() * 2 * ACT_EVERY)
        world.report.journal.clear()
        act(world)
        acts += 1
        if acts % 20 == 0:
            late, world.weather = world.weather.late_ones, draw_weather(world.source, world.setup)
            world.weather.late_ones = late
            draw_disk_faults(world)
        if acts % 40 == 0:
            world.people.mount()
            await answer_holds(world, assembly)


async def idle(world: World, hours: float) -> None:
    for _ in range(int(hours * 4)):
        await asyncio.sleep(HOUR / 4)
        world.report.journal.clear()


@pytest.mark.real
@pytest.mark.parametrize("seed", [5011])
def test_what_a_daemon_holds_does_not_grow_with_its_age(seed: int) -> None:
    seen: list[Held] = []

    async def days(world: World) -> None:
        world.settings["schedule"] = {"listing_poll_min": 60, "listing_poll_max": 300}

        async def meanwhile(assembly: Assembly) -> None:
            await work(world, assembly)
            calm(world)
            await idle(world, 2)
            await answer_holds(world, assembly)
            await idle(world, 1)
            tracemalloc.start()
            await idle(world, 3)
            seen.append(held(world, assembly))
            await idle(world, IDLE_HOURS)
            seen.append(held(world, assembly))

        await world.run_process(meanwhile)

    try:
        assert run(seed, story=days).findings == []
    finally:
        tracemalloc.stop()

    before, after = seen
    grown = Counter(after.rows) - Counter(before.rows)
    assert {name for name in grown if name not in HISTORY} == set()
    assert grown["run"] <= IDLE_HOURS, "a pass without anything to do is no run"
    assert after.tasks <= before.tasks
    assert after.memory - before.memory < GROWTH_BYTES
    print(f"{WORK_HOURS} h of work, {IDLE_HOURS} h idle: {before} {after}")
