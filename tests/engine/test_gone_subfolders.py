"""Whole subfolders that are renamed or deleted while nobody looks, each with a board of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boardsync.engine.passes import Look
from engine.world import World, picture, world


@asynccontextmanager
async def settled(base: Path, *, ours: bool = True, **mirror: object) -> AsyncIterator[World]:
    """Three boards of two pictures each, in step, and the daemon stopped."""
    policies = {"file_deleted": "trash"}
    async with world(base, boards="by-subfolder", policies=policies, **mirror) as here:
        if not ours:
            here.server.add_board("one")
        for number, directory in enumerate(("", "one/", "two/")):
            here.write(f"{directory}a.png", seed=10 * number + 1)
            here.write(f"{directory}b.png", seed=10 * number + 2)
        await here.look()
        await here.close()
        yield here


async def woken(here: World) -> None:
    await here.open()
    here.server.calls.clear()
    for _ in range(3):
        await here.look(patience=90.0)


@pytest.mark.parametrize("ours", [True, False])
async def test_what_a_renamed_one_holds_is_not_sent_again(tmp_path: Path, ours: bool) -> None:
    async with settled(tmp_path, ours=ours) as here:
        (here.folder / "one").rename(here.folder / "new")

        await woken(here)

        assert "upload" not in here.server.calls
        assert here.contents("new") == sorted([picture(11), picture(12)])
        boards = [one for one in here.server._boards.values() if one.name == "one"]
        assert [here.items("one") for _ in boards] == [[]] * (not ours)
        assert await here.quiet(), here.server.calls


async def test_what_a_deleted_one_held_is_deleted_on_its_board(tmp_path: Path) -> None:
    async with settled(tmp_path, guard={"enabled": False}) as here:
        shutil.rmtree(here.folder / "one")

        await woken(here)

        assert here.contents("one") == []
        assert len(here.contents("two")) == len(here.contents("m")) == 2
        assert await here.quiet(), here.server.calls


async def test_what_lay_in_the_folder_itself_is_deleted_on_its_board(tmp_path: Path) -> None:
    async with settled(tmp_path, guard={"enabled": False}) as here:
        (here.folder / "a.png").unlink()
        (here.folder / "b.png").unlink()

        await woken(here)

        assert here.contents("m") == []
        assert len(here.contents("one")) == len(here.contents("two")) == 2


async def test_the_guard_holds_what_a_deleted_one_held(tmp_path: Path) -> None:
    async with settled(tmp_path, guard={"least": 1}) as here:
        shutil.rmtree(here.folder / "one")

        await woken(here)
        result = await here.look()

        assert (result.held, len(here.contents("one"))) == (2, 2)


async def test_nothing_new_is_fetched_from_the_board_of_a_deleted_one(tmp_path: Path) -> None:
    async with settled(tmp_path, guard={"least": 1}) as here:
        shutil.rmtree(here.folder / "one")
        here.server.put(here.board("one").board_id, "x.png", picture(50), size=(24, 16))

        await woken(here)

        assert not (here.folder / "one").exists()


async def test_a_board_that_is_deleted_with_its_folder_is_no_trouble(tmp_path: Path) -> None:
    async with settled(tmp_path) as here:
        shutil.rmtree(here.folder / "one")
        here.server.drop_board(here.board("one").board_id)

        await woken(here)
        result = await here.look()

        assert (result.good, result.trouble, result.held) == (True, None, 0)
        assert await here.quiet(), here.server.calls


async def test_a_board_that_is_deleted_while_the_disk_is_away_is_not_made_again(
    tmp_path: Path,
) -> None:
    async with settled(tmp_path) as here:
        away = here.folder.rename(tmp_path / "away")
        here.folder.mkdir()
        here.server.drop_board(here.board("one").board_id)
        await woken(here)
        here.folder.rmdir()
        away.rename(here.folder)

        await woken(here)
        result = await here.look()

        assert not {"upload", "create_board"} & set(here.server.calls)
        assert "board 'one' was deleted" in str(result.trouble)


async def test_nor_is_one_whose_folder_is_away_for_a_moment(tmp_path: Path) -> None:
    async with settled(tmp_path) as here:
        here.server.drop_board(here.board("one").board_id)
        await woken(here)
        away = (here.folder / "one").rename(tmp_path / "away")
        await here.look()
        away.rename(here.folder / "one")
        here.server.calls.clear()

        for _ in range(3):
            result = await here.look(patience=90.0)

        assert not {"upload", "create_board"} & set(here.server.calls)
        assert "board 'one' was deleted" in str(result.trouble)


async def test_one_that_is_done_with_its_board_does_not_hold_up_the_next(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies={"file_deleted": "trash"}) as here:
        here.write("one/a.png", seed=1)
        await here.look()
        shutil.rmtree(here.folder / "one")
        here.server.drop_board(here.board("one").board_id)
        for _ in range(3):
            await here.look()
        here.write("two/b.png", seed=2)

        result = await here.look()

        assert (result.trouble, here.contents("two")) == (None, [picture(2)])


async def test_a_board_of_other_settings_is_not_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("one/a.png", seed=1)
        await here.look()
        await here.close()
        del here.settings["mirrors"][0]["board"]
        here.settings["mirrors"][0]["boards"] = "by-subfolder"

        await woken(here)

        assert await here.quiet(), here.server.calls


async def test_what_was_to_go_to_a_board_that_is_gone_with_its_folder_waits_no_longer(
    tmp_path: Path,
) -> None:
    async with settled(tmp_path) as here:
        here.write("one/new.png", seed=50)
        await here.open()
        here.clock.skip(120.0)
        await here.assembly.workers["m"].pass_now(Look.everywhere("test"))
        await here.close()
        here.server.drop_board(here.board("one").board_id)
        (here.folder / "one").rename(here.folder / "new")

        await woken(here)
        result = await here.look()

        assert (result.left, result.trouble, len(here.contents("new"))) == (0, None, 3)
        assert await here.quiet(), here.server.calls


async def test_what_is_moved_where_no_board_is_looked_at_is_gone_from_its_own(
    tmp_path: Path,
) -> None:
    policies = {"file_deleted": "trash"}
    async with world(tmp_path, boards="by-subfolder", policies=policies) as here:
        file = here.write("one/a.png", seed=1)
        here.write("one/b.png", seed=2)
        await here.look()
        (here.folder / "outputs").mkdir()
        file.rename(here.folder / "outputs/a.png")

        for _ in range(3):
            result = await here.look()

        assert (result.good, here.contents("one")) == (True, [picture(2)])
        assert set(here.local()) == {"one/b.png", "outputs/a.png"}
        assert await here.quiet(), here.server.calls
