"""A plan that is only shown: what people asked for stays in it, all else is decided anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.planning import plan_mirrors
from engine.world import World, picture, world


async def planned(here: World) -> set[tuple[str, str | None]]:
    here.clock.skip(120.0)
    told = await plan_mirrors(here.assembly, [])
    return {(one["action"], one["path"] or one["item"]) for one in told["actions"]}


@pytest.mark.parametrize("cause", ["again", "mend", "schedule"])
async def test_what_a_pass_planned_is_decided_anew_whatever_it_was_made_for(
    tmp_path: Path, cause: str
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board").board_id
        here.write("old.png", seed=1)
        one = here.server.put(board, "x.png", picture(3), size=(24, 16))
        here.clock.skip(120.0)
        await here.assembly.workers["m"].pass_now(Look.everywhere(cause))
        downloads = {("download", one.item_id)}
        assert await planned(here) == {("upload", "old.png")} | downloads

        two = here.server.put(board, "y.png", picture(4), size=(24, 16))
        (here.folder / "old.png").unlink()

        assert await planned(here) == downloads | {("download", two.item_id)}
