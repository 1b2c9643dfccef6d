"""Files that were renamed while the outcome of their upload was not known: found by the torture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import report
from engine.searching import Searching
from engine.world import SkippingClock, World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    clock = SkippingClock()
    server = Searching("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        yield made


async def renamed_in_doubt(here: World, fault: str) -> None:
    """Lose the answer to an upload, and rename its file before anything could be looked up."""
    assert isinstance(here.server, Searching)
    here.write("before.png")
    setattr(here.server.faults, fault, 1)
    await here.look(patience=0.0)
    here.server.busy = True
    (here.folder / "before.png").rename(here.folder / "after.png")
    await here.look(patience=0.0)
    here.server.busy = False


def condition(here: World) -> tuple[str, int]:
    told = report.status(here.assembly.settings, here.state)["mirrors"][0]
    return told["condition"], told["synced"]


async def test_an_upload_that_arrived_leaves_no_link_of_the_file_that_is_gone(here: World) -> None:
    await renamed_in_doubt(here, "lost_answers")

    await here.look(patience=600.0)
    await here.look()

    assert len(here.items()) == 1
    assert condition(here) == ("synced", 1)


async def test_an_upload_that_never_arrived_is_made_for_the_new_name_in_the_same_pass(
    here: World,
) -> None:
    await renamed_in_doubt(here, "lost_uploads")

    result = await here.look(patience=600.0)

    assert len(here.items()) == 1
    assert (result.synced, result.left) == (1, 0)
