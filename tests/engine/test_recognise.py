"""A board that has another name by now is found again without the state, by our marks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.engine.recognise import FIRST
from engine.world import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        for seed in range(12):
            made.write(f"p{seed:02}.png", seed=seed)
        yield made


def rename(here: World, name: str, new: str) -> None:
    """Rename a board on the server, as a person does."""
    board = here.board(name)
    here.server._boards[board.board_id] = replace(board, name=new)


def names(here: World) -> list[str]:
    return sorted(one.name for one in here.server._boards.values() if one.board_id is not None)


async def test_a_renamed_board_is_the_mirrors_board_without_the_state(here: World) -> None:
    await here.look()
    rename(here, "board", "favourites")
    await here.restart(lose_state=True)

    result = await here.look()

    assert (result.uploaded, result.synced) == (0, 12)
    assert names(here) == ["favourites"]


async def test_the_board_with_most_of_our_pictures_is_it(here: World) -> None:
    await here.look()
    rename(here, "board", "favourites")
    other = here.server.add_board("a few of them")
    for item in here.items("favourites")[:3]:
        here.server.relocate(item, other.board_id)
    await here.restart(lose_state=True)

    await here.look()

    assert names(here) == ["a few of them", "favourites"]
    assert len(here.items("a few of them")) == 3


async def test_pictures_in_the_trash_are_on_no_board(here: World) -> None:
    await here.look()
    for item in here.items():
        await here.server.trash(item, f"key-{item.item_id.partition('.')[0]}")
    rename(here, "board", "emptied")
    await here.restart(lose_state=True)

    await here.look()

    assert names(here) == ["board", "emptied"]


async def test_marks_that_name_another_picture_prove_nothing(here: World) -> None:
    await here.look()
    rename(here, "board", "elsewhere")
    for stored in here.server._stored.values():
        assert stored.mark is not None
        stored.mark = replace(stored.mark, file="0" * 64)
    await here.restart(lose_state=True)

    await here.look()

    assert names(here) == ["board", "elsewhere"]


async def test_a_new_mirror_makes_its_board_after_a_few_questions(here: World) -> None:
    here.server.add_board("somebody's")

    result = await here.look()

    assert (result.uploaded, names(here)) == (12, ["board", "somebody's"])
    assert here.server.calls["find"] == FIRST


async def test_each_subfolder_finds_its_own_renamed_board(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        for number, path in enumerate(("cats/a.png", "cats/b.png", "dogs/c.png", "dogs/d.png")):
            here.write(path, seed=number)
        await here.look()
        rename(here, "cats", "dogs of others")
        rename(here, "dogs", "good dogs")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.synced) == (0, 4)
        assert names(here) == ["dogs of others", "good dogs"]


async def test_a_board_that_was_given_another_subfolders_picture_is_not_that_of_its_copy(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("cats/a.png")
        await here.look()
        other = here.server.add_board("favourites")
        here.server.relocate(here.items("cats")[0], other.board_id)
        here.write("dogs/copy.png")

        await here.look()

        assert names(here) == ["cats", "dogs", "favourites"]


async def test_another_board_in_the_settings_is_made_while_the_state_is_there(
    here: World,
) -> None:
    await here.look()
    await here.close()
    here.settings["mirrors"][0]["board"] = "other"
    await here.open()

    result = await here.look()

    assert (result.uploaded, names(here)) == (12, ["board", "other"])
