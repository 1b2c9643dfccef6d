"""The history holds what did something or was to, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import record, trash_can
from boardsync.engine.decide import Plan
from boardsync.engine.report import history
from boardsync.model import Action, ActionKind
from boardsync.state import places, runs
from engine.world import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


def told(here: World) -> list[str]:
    return [one["cause"] for one in history(here.assembly.settings, here.state)]


def rows(here: World) -> int:
    with here.state.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM run").scalar() or 0)


async def test_a_plan_that_is_under_way_already_is_no_run(here: World) -> None:
    here.write("a.png")
    assert (await here.look()).uploaded == 1
    [mirror] = here.assembly.mirrors
    with here.state.read() as connection:
        [board] = places.boards(connection, mirror.number)
    before = rows(here)

    def plan() -> Plan:
        action = Action(
            ActionKind.UPLOAD, mirror.key, "because", path=b"b.png", token="t", digest="ab" * 32
        )
        made = Plan()
        made.actions.append((board.id, action))
        return made

    first = await record.record(mirror, plan(), "test", None)
    again = await record.record(mirror, plan(), "test", None)

    assert (first is None, again) == (False, None)
    assert rows(here) == before + 1


async def test_deletions_that_leave_the_other_side_alone_are_no_run(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        path = here.write("a.png")
        await here.look()
        before = rows(here)
        path.unlink()
        for _ in range(3):
            await here.look()
        [mirror] = here.assembly.mirrors
        assert (await here.look()).synced == 0
        assert mirror.settings.policies.file_deleted == "keep"
        assert rows(here) == before


async def test_what_could_not_be_brought_back_leaves_no_run_in_the_history(here: World) -> None:
    path = here.write("a.png")
    await here.look()
    path.unlink()
    for _ in range(3):
        await here.look()
    before = told(here)
    [entry] = trash_can.list_trash(here.assembly.settings, here.state)["trash"]
    here.server.faults.unreachable = True

    [failed] = await trash_can.restore(here.assembly, [entry["id"]])

    assert not failed.done
    assert told(here) == before
    here.server.faults.unreachable = False
    here.clock.skip(600)
    [restored] = await trash_can.restore(here.assembly, [entry["id"]])
    assert restored.done, restored
    assert told(here) == [trash_can.RESTORE, *before]


async def test_a_run_that_was_begun_and_killed_at_once_is_not_told(here: World) -> None:
    here.write("a.png")
    await here.look()
    before = told(here)
    number = here.assembly.mirrors[0].number
    here.state.write_now(lambda c: runs.begin(c, number, "killed", 1))
    assert told(here) == before
