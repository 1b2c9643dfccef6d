"""A file that a program still has open for writing: not read, however long the pauses are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from boardsync.engine.observe_files import hash_settled, observe_folder
from boardsync.engine.report import status
from boardsync.engine.why import why
from boardsync.plan.settling import LEFT_ALONE_SECONDS
from engine.world import World, picture, world

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


async def uploaded(here: World) -> int:
    return (await here.look()).uploaded


async def test_a_whole_picture_waits_for_its_writer_and_goes_when_that_closes(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        path = here.write("a.png")
        with path.open("ab"):
            assert await uploaded(here) == 0
            [told] = status(here.assembly.settings, here.state)["mirrors"]
            assert (told["settling"], told["condition"]) == (1, "working")
            [said] = why(here.assembly.settings, here.state, str(path))
            assert "if a program has it open for writing" in said["verdict"]
        assert await uploaded(here) == 1
        assert here.contents() == [picture(1)]


async def test_the_first_of_two_writers_that_closes_does_not_let_a_file_go(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        [mirror] = here.assembly.mirrors
        path = here.write("a.png")
        with path.open("ab"):
            await observe_folder(mirror)
            assert (await hash_settled(mirror, [b"a.png"])).paths == []
        assert (await hash_settled(mirror, [b"a.png"])).paths == [b"a.png"]


async def test_one_that_is_kept_open_and_left_alone_for_long_goes_all_the_same(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        with here.write("a.png").open("ab"):
            assert await uploaded(here) == 0
            here.clock.skip(LEFT_ALONE_SECONDS)
            assert await uploaded(here) == 1
