"""What the service manager shows of a daemon: one line, whenever how it stands has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.alarms import Alarms
from boardsync.engine.announce import AT_REST, LONGEST, SECONDS, announce, standing
from boardsync.engine.health import Health
from boardsync.errors import ServerUnreachable
from engine.world import SkippingClock, World, world

TRASH = {"file_deleted": "trash"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        yield made


def line(here: World) -> str:
    """Look anew, and return what is told."""
    health = Health(here.assembly)
    health.look()
    return standing(here.assembly, health)


async def test_all_is_well(here: World) -> None:
    here.write("a.png")
    await here.look()
    assert line(here) == "watching m"


async def test_a_server_that_is_away_is_named(here: World) -> None:
    here.server.faults.unreachable = True
    await here.look(patience=0.0)
    assert line(here).startswith("m waits: server server: connection refused")


async def test_removals_that_wait_for_consent_are_counted(here: World) -> None:
    for seed in range(12):
        here.write(f"{seed}.png", seed=seed)
    await here.look()
    for path in here.folder.iterdir():
        path.unlink()
    await here.look()
    assert line(here) == "m: 12 removals wait for consent, see `boardsync holds`"


async def test_a_picture_that_does_not_get_through_is_told(here: World) -> None:
    here.server.faults.lost_uploads = 99
    here.write("a.png")
    await here.look(patience=0.0)
    assert line(here).startswith("m cannot go on with a picture: ")


async def test_a_line_has_an_end(here: World) -> None:
    here.server.faults.errors = [ServerUnreachable("x" * 5000)] * 9
    await here.look(patience=0.0)
    assert len(line(here)) == LONGEST


async def test_it_is_told_once_for_each_change(here: World) -> None:
    told: list[str] = []
    telling = asyncio.create_task(
        announce(here.assembly, Health(here.assembly), Alarms(here.assembly, ()), told.append)
    )
    await asyncio.sleep(0.05)
    here.server.faults.unreachable = True
    await here.look(patience=0.0)
    await asyncio.sleep(0.05)
    here.server.faults.unreachable = False
    await here.look()
    await asyncio.sleep(0.05)
    telling.cancel()

    assert told[0] == told[-1] == "watching m"
    assert [line for line in told if "refused" in line] == told[1:-1]
    assert len(told) == 3


async def test_it_looks_less_often_while_nothing_happens_and_all_is_well(here: World) -> None:
    waits: list[float] = []

    class Noting(SkippingClock):
        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            await asyncio.sleep(0.01)

    async def waited() -> float:
        waits.clear()
        async with asyncio.timeout(20):
            while len(waits) < 3:
                await asyncio.sleep(0.01)
        return waits[-1]

    here.assembly.clock = Noting()
    health = Health(here.assembly)
    telling = asyncio.create_task(
        announce(here.assembly, health, Alarms(here.assembly, ()), lambda _: None)
    )
    try:
        assert await waited() == SECONDS * AT_REST
        here.server.faults.unreachable = True
        await here.look(patience=0.0)
        assert await waited() == SECONDS
        here.server.faults.unreachable = False
        await here.look()
        assert await waited() == SECONDS * AT_REST
        here.assembly.workers["m"].walks += 1
        waits.clear()
        async with asyncio.timeout(20):
            while SECONDS not in waits:
                await asyncio.sleep(0.01)
    finally:
        telling.cancel()
