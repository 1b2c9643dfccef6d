"""An undo that is killed at any step, and repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.trash_can import list_trash
from engine.undo_kit import (
    APART,
    TRASH,
    Killed,
    idle,
    item_of,
    kill_at,
    newest_run,
    runs_after,
    take_back,
)
from engine.world import World, picture, world
from sampling import one_in


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        yield made


@pytest.mark.parametrize("number", one_in(3, range(1, 12)))
@pytest.mark.parametrize("deleting", [False, True])
async def test_killed_anywhere_and_repeated_it_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, deleting: bool
) -> None:
    async with world(tmp_path, policies=TRASH) as here:
        here.server.add_board("board")
        here.clock.skip(APART)
        here.write("a.png", seed=1)
        here.write("b.png", seed=2)
        here.server.put(here.board().board_id, "x.png", picture(3), size=(24, 16))
        await here.look()
        undoing = [newest_run(here)]
        if deleting:
            (here.folder / "a.png").unlink()
            here.server.remove(item_of(here, picture(2)))
            await here.look()
            undoing = runs_after(here, undoing[0])
        with monkeypatch.context() as patched:
            kill_at(here, number, ("trash", "untrash"), patched)
            for run in undoing:
                try:
                    await take_back(here, run)
                except Killed:
                    await asyncio.sleep(0.05)
        await here.restart()
        between = await here.look()
        assert (between.uploaded, between.downloaded, between.trashed) == (0, 0, 0)

        for run in undoing:
            await take_back(here, run)

        if deleting:
            assert (here.contents(), sorted(here.local().values())) == (
                sorted([picture(1), picture(3)]), sorted([picture(2), picture(3)]),
            )  # fmt: skip
        else:
            assert here.contents() == [picture(3)]
            assert here.local() == {"a.png": picture(1), "b.png": picture(2)}
        assert idle(await here.look())
        told = list_trash(here.assembly.settings, here.state)["trash"]
        assert len(told) == (0 if deleting else 3)
