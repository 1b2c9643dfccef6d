"""Content that newer content of its file has replaced: its item goes to the trash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from boardsync.engine.passes import Look
from boardsync.servers.memory import CAPABILITIES, MemoryServer
from engine.world import World, picture, world


async def test_new_content_replaces_the_old_item_which_goes_to_the_trash(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.write("a.png", seed=2)

        result = await here.look()
        result = await here.look()

        assert here.contents() == [picture(2)]
        assert result.synced == 1
        assert await here.quiet()


async def bring_back_picture_1(here: World) -> None:
    """Let b.png hold what a.png holds: one pass links it, and the next removes its old item."""
    here.write("b.png", seed=1)
    here.clock.skip(120.0)
    await here.assembly.workers["m"].pass_now(Look.everywhere("test"))


async def test_a_replaced_item_goes_although_its_successor_was_edited(tmp_path: Path) -> None:
    server = MemoryServer("server", replace(CAPABILITIES, mutable=True))
    async with world(tmp_path, server=server, direction="push") as here:
        here.write("a.png", seed=1)
        here.write("b.png", seed=2)
        await here.look()
        stored = here.server.on_board(here.board().board_id)
        item = next(one.item for one in stored if one.content == picture(1))
        await bring_back_picture_1(here)
        here.server.replace(item.item_id, picture(3))

        await here.look()

        assert picture(2) not in here.contents()


async def test_a_starred_old_item_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.server.star(here.items()[0].item_id)
        here.write("a.png", seed=2)

        await here.look()
        await here.look()

        assert here.contents() == sorted([picture(1), picture(2)])


async def test_an_old_item_whose_star_is_taken_goes_although_its_file_was_renamed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, pull={"starred_only": True}) as here:
        here.write("a.png", seed=1)
        await here.look()
        old = here.items()[0].item_id
        here.server.star(old)
        here.write("a.png", seed=2)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        await here.look()

        here.server.star(old, starred=False)
        await here.look()

        assert here.contents() == [picture(2)]
