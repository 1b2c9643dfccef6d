"""Two files that are one item, where items keep names: found by the kill torture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import report
from boardsync.servers.memory.server import NAMED, MemoryServer
from engine.world import SkippingClock, World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A picture and its copy, in step as one item."""
    clock = SkippingClock()
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        made.write("a.png", seed=1)
        await made.look()
        made.write("copy.png", seed=1)
        await made.look()
        assert len(made.items()) == 1
        yield made


@pytest.mark.parametrize(("changed", "other"), [("copy.png", "a.png"), ("a.png", "copy.png")])
async def test_new_content_of_one_leaves_the_other_its_item(
    here: World, changed: str, other: str
) -> None:
    here.write(changed, seed=2)

    await here.look()
    result = await here.look()

    assert here.contents() == sorted([picture(1), picture(2)])
    assert (result.synced, result.left) == (2, 0)
    assert report.status(here.assembly.settings, here.state)["mirrors"][0]["condition"] == "synced"


async def test_one_that_is_changed_and_brought_back_is_the_other_again(here: World) -> None:
    here.write("copy.png", seed=2)
    await here.look()
    here.write("copy.png", seed=1)

    await here.look()
    result = await here.look()

    assert picture(1) in here.contents()
    assert (result.synced, result.left) == (2, 0)
    assert here.local() == {"a.png": picture(1), "copy.png": picture(1)}
