"""Renames and moves: no bytes travel, with the state and without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.passes import Look
from engine.world import picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}


async def test_a_rename_sends_nothing_and_keeps_the_item(tmp_path: Path) -> None:
    async with world(tmp_path, policies=TRASH) as here:
        for seed in range(20):
            here.write(f"{seed:02}.png", seed=seed)
        await here.look()
        before = {item.item_id for item in here.items()}
        (here.folder / "sub").mkdir()
        for number in range(20):
            (here.folder / f"{number:02}.png").rename(here.folder / "sub" / f"{number:02}.png")

        result = await here.look()

        assert (result.uploaded, result.trashed, result.held, result.moved) == (0, 0, 0, 20)
        assert {item.item_id for item in here.items()} == before
        assert await here.quiet()


async def test_a_move_between_subfolders_moves_the_item_between_boards(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.write("hands/a.png", seed=1)
        here.write("faces/b.png", seed=2)
        await here.look()
        item = here.items("hands")[0].item_id
        (here.folder / "hands" / "a.png").rename(here.folder / "faces" / "a.png")

        result = await here.look()

        assert (result.uploaded, result.moved, result.trashed) == (0, 1, 0)
        assert item in {one.item_id for one in here.items("faces")}
        assert here.items("hands") == []
        assert await here.quiet()


async def test_an_item_that_is_moved_between_boards_moves_its_file(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.write("hands/a.png", seed=1)
        here.write("faces/b.png", seed=2)
        await here.look()
        here.server.relocate(here.items("hands")[0].item_id, here.board("faces").board_id)

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.moved) == (0, 0, 1)
        assert set(here.local()) == {"faces/a.png", "faces/b.png"}
        assert await here.quiet()


async def test_an_item_that_goes_to_the_roots_board_brings_its_file_into_the_root(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.write("hands/deep/a.png", seed=1)
        here.write("b.png", seed=2)
        await here.look()
        here.server.relocate(here.items("hands")[0].item_id, here.board("m").board_id)

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.moved) == (0, 0, 1)
        assert set(here.local()) == {"a.png", "b.png"}
        assert await here.quiet()
        assert "deep" not in {one.name for one in await here.server.boards()}


async def test_a_renamed_folder_renames_the_board_that_we_made(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        for seed in range(5):
            here.write(f"hands/{seed}.png", seed=seed)
        await here.look()
        await here.look()
        board, before = here.board("hands"), {item.item_id for item in here.items("hands")}
        (here.folder / "hands").rename(here.folder / "feet")

        result = await here.look()

        assert (result.uploaded, result.trashed, result.held, result.synced) == (0, 0, 0, 5)
        assert here.board("feet").board_id == board.board_id
        assert {item.item_id for item in here.items("feet")} == before
        assert await here.quiet()


async def test_a_renamed_folder_of_somebody_elses_board_moves_its_items(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.server.add_board("hands")
        for seed in range(5):
            here.write(f"hands/{seed}.png", seed=seed)
        await here.look()
        await here.look()
        before = {item.item_id for item in here.items("hands")}
        (here.folder / "hands").rename(here.folder / "feet")

        result = await here.look()

        assert (result.uploaded, result.trashed, result.held, result.synced) == (0, 0, 0, 5)
        assert {item.item_id for item in here.items("feet")} == before
        assert here.items("hands") == []


async def test_a_pulled_file_that_was_moved_is_known_again_without_the_state(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        for seed in (1, 2):
            here.server.put(board.board_id, f"{seed}.png", picture(seed), size=(24, 16))
        await here.look()
        pulled = sorted((here.folder / "outputs").iterdir())
        pulled[0].rename(here.folder / "chosen.png")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (0, 0, 2)
        assert len(here.items()) == 2
        assert await here.quiet()


def forget_origin(path: Path) -> None:
    """Make of a pulled file what it is on a filesystem without attributes."""
    for name in os.listxattr(path):
        os.removexattr(path, name)


async def test_a_pulled_file_that_was_moved_is_known_again_without_state_and_attributes(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        for seed in range(12):
            here.server.put(board.board_id, f"{seed}.png", picture(seed), size=(24, 16))
            here.clock.skip(10.0)
        await here.look()
        pulled = sorted((here.folder / "outputs").iterdir())
        for number, path in enumerate(pulled):
            forget_origin(path)
            path.rename(here.folder / f"chosen-{number}.png")
        here.write("mine.png", seed=99)
        await here.restart(lose_state=True)
        here.server.calls.clear()

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (1, 0, 12)
        assert here.server.calls["download"] == 12
        assert len(here.items()) == 13
        assert await here.quiet()


async def test_a_file_with_an_items_time_that_is_another_picture_is_sent_and_the_item_pulled(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        item = here.server.put(board.board_id, "1.png", picture(1), size=(24, 16))
        mine = here.write("mine.png", seed=2)
        moment = (item.created_ms or 0) * 1_000_000
        os.utime(mine, ns=(moment, moment))

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (1, 1, 0)
        assert await here.quiet()


async def test_a_pulled_file_that_was_edited_and_moved_is_a_new_picture(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        here.server.put(board.board_id, "1.png", picture(1), size=(24, 16))
        await here.look()
        (pulled,) = (here.folder / "outputs").iterdir()
        pulled.rename(here.folder / "chosen.png")
        (here.folder / "chosen.png").write_bytes(picture(5))
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.downloaded) == (1, 1)
        assert here.contents() == sorted([picture(1), picture(5)])


async def test_a_file_that_is_deleted_while_its_item_moves_is_deleted_on_the_other_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = {"enabled": False}
    async with world(tmp_path, boards="by-subfolder", policies=TRASH, guard=guard) as here:
        here.write("one/a.png", seed=1)
        here.write("two/b.png", seed=2)
        await here.look()
        moved, move = here.folder / "two" / "a.png", here.server.move

        async def deleted_meanwhile(*arguments: Any) -> Any:
            done = await move(*arguments)
            moved.unlink()
            here.clock.skip(120.0)
            await here.assembly.workers["m"].pass_now(Look(paths={b"two/a.png"}))
            return done

        monkeypatch.setattr(here.server, "move", deleted_meanwhile)
        (here.folder / "one" / "a.png").rename(moved)

        await here.look()
        await here.look()

        assert (here.contents("one"), here.contents("two")) == ([], [picture(2)])
