"""Newer content that arrived although its answer was lost: found by the kill torture.

The item has changed, but it was us: its mark says of which file. Until the transfer has found
that out, nothing else may be decided about the link.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.servers.memory.server import NAMED
from engine.searching import Searching
from engine.world import SkippingClock, World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A picture was rewritten; its new content is on the board, and the answer was lost."""
    clock = SkippingClock()
    server = Searching("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        made.write("a.png", seed=1)
        await made.look()
        made.write("a.png", seed=2)
        server.faults.lost_answers = 1
        await made.look(patience=0.0)
        server.busy = True
        assert made.contents() == [picture(2)]
        yield made


def search_again(here: World) -> None:
    assert isinstance(here.server, Searching)
    here.server.busy = False


async def test_it_is_no_conflict_with_the_file_that_it_came_from(here: World) -> None:
    await here.look(patience=0.0)
    search_again(here)

    result = await here.look(patience=600.0)

    assert here.local() == {"a.png": picture(2)}
    assert here.contents() == [picture(2)]
    assert (result.synced, result.left) == (1, 0)


async def test_it_does_not_come_down_over_a_file_that_was_brought_back_meanwhile(
    here: World,
) -> None:
    here.write("a.png", seed=1)
    await here.look(patience=0.0)
    search_again(here)

    result = await here.look(patience=600.0)

    assert here.local() == {"a.png": picture(1)}
    assert here.contents() == [picture(1)]
    assert (result.synced, result.left) == (1, 0)


async def test_it_is_no_conflict_with_a_still_newer_content_of_the_file(here: World) -> None:
    here.write("a.png", seed=3)
    await here.look(patience=0.0)
    search_again(here)

    result = await here.look(patience=600.0)

    assert here.local() == {"a.png": picture(3)}
    assert here.contents() == [picture(3)]
    assert (result.synced, result.left) == (1, 0)
