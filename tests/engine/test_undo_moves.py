"""Undo of moves: what a run moved goes back, as far as both sides still allow, and stays there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.once import MirrorResult
from boardsync.engine.report import history, run_details
from boardsync.engine.undo import Undone, undo
from boardsync.model import Capabilities
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from engine.undo_kit import Killed, kill_at
from engine.world import SkippingClock, World, picture, world
from sampling import one_in

KINDS = pytest.mark.parametrize("capabilities", [CAPABILITIES, NAMED], ids=["ids", "names"])


def newest_run(here: World) -> int:
    """Return the newest run that moved anything."""
    told = history(here.assembly.settings, here.state)
    return next(int(one["id"]) for one in told if one["moved"])


async def take_back(here: World, run: int | None = None) -> Undone:
    return await undo(here.assembly, newest_run(here) if run is None else run)


def idle(result: MirrorResult) -> bool:
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did) and result.good


def on(here: World, board: str) -> list[str]:
    return sorted(item.item_id for item in here.items(board))


@contextlib.asynccontextmanager
async def two_boards(base: Path, capabilities: Capabilities) -> AsyncIterator[World]:
    """Two boards with a picture each, and one more that is about to move."""
    clock = SkippingClock()
    server = MemoryServer("server", capabilities, lambda: clock.now_ns() // 1_000_000)
    async with world(base, server, clock, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        here.write("one/stays.png", seed=2)
        here.write("two/b.png", seed=3)
        assert (await here.look()).synced == 3
        await here.look()  # which directory each folder is, is known once it has a board
        yield here


def move_file(here: World) -> None:
    (here.folder / "one/a.png").rename(here.folder / "two/a.png")


def move_item(here: World) -> None:
    stored = here.server.on_board(here.board("one").board_id)
    moving = next(one for one in stored if one.content == picture(1))
    here.server._stock.move(moving, here.board("two").board_id)


@KINDS
async def test_an_item_that_followed_its_file_goes_back_and_stays_there(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with two_boards(tmp_path, capabilities) as here:
        before = on(here, "one"), on(here, "two")
        move_file(here)
        assert (await here.look()).moved == 1
        files = here.local()

        done = await take_back(here)

        assert [one.done for one in done.told] == [True]
        assert "on board 'one' again" in done.told[0].words
        assert (on(here, "one"), on(here, "two")) == before
        assert (here.local(), idle(await here.look())) == (files, True)
        assert await here.quiet()
        await here.restart()
        assert idle(await here.look())


@KINDS
async def test_an_undone_move_of_an_item_can_be_made_after_all(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with two_boards(tmp_path, capabilities) as here:
        move_file(here)
        await here.look()
        moved = on(here, "one"), on(here, "two")
        done = await take_back(here)

        await take_back(here, done.run)

        assert (on(here, "one"), on(here, "two")) == moved
        result = await here.look()
        assert (idle(result), result.synced) == (True, 3)


@KINDS
async def test_the_file_that_a_person_moves_back_is_in_step_with_its_item_again(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with two_boards(tmp_path, capabilities) as here:
        before = on(here, "one"), on(here, "two")
        move_file(here)
        await here.look()
        await take_back(here)
        (here.folder / "two/a.png").rename(here.folder / "one/a.png")

        await here.look()
        result = await here.look()

        assert (idle(result), result.synced) == (True, 3)
        assert (on(here, "one"), on(here, "two")) == before


@KINDS
async def test_a_file_that_followed_its_item_goes_back_and_stays_there(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with two_boards(tmp_path, capabilities) as here:
        files = here.local()
        move_item(here)
        assert (await here.look()).moved == 1
        boards = on(here, "one"), on(here, "two")
        assert here.local() != files

        done = await take_back(here)

        assert [(one.picture, one.words) for one in done.told] == [
            ("two/a.png", "is 'one/a.png' again")
        ]
        assert here.local() == files
        assert idle(await here.look())
        assert (on(here, "one"), on(here, "two"), here.local()) == (*boards, files)
        await take_back(here, done.run)
        result = await here.look()
        assert (idle(result), result.synced, "two/a.png" in here.local()) == (True, 3, True)


async def test_an_item_that_was_renamed_with_its_file_has_its_name_again_and_stays_linked(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, MemoryServer("server", NAMED)) as here:
        here.write("a.png", seed=1)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        assert (await here.look()).moved == 1
        assert on(here, "board") == ["b.png"]

        done = await take_back(here)

        assert on(here, "board") == ["a.png"]
        result = await here.look()
        assert (idle(result), result.synced, list(here.local())) == (True, 1, ["b.png"])
        await take_back(here, done.run)
        result = await here.look()
        assert (idle(result), result.synced, on(here, "board")) == (True, 1, ["b.png"])


@KINDS
async def test_a_board_that_was_renamed_with_its_folder_has_its_name_again(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with two_boards(tmp_path, capabilities) as here:
        (here.folder / "one").rename(here.folder / "three")
        await here.look()
        assert len(here.items("three")) == 2
        files = here.local()

        done = await take_back(here)

        assert "the board is called 'one' again" in done.told[0].words
        result = await here.look()
        assert (idle(result), result.synced, here.local()) == (True, 3, files)
        assert (len(here.items("one")), here.server.calls["create_board"]) == (2, 2)
        await here.restart()
        assert idle(await here.look())
        await take_back(here, done.run)
        result = await here.look()
        assert (idle(result), result.synced, len(here.items("three"))) == (True, 3, 2)


async def test_a_files_own_new_name_is_nothing_to_put_back(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        assert (await here.look()).moved == 1

        done = await take_back(here)

        assert (done.run, done.told) == (None, [])
        assert done.remarks == ["renamed by somebody, or set aside for a conflict, and left so: 1"]
        assert list(here.local()) == ["b.png"]


async def delete_it(here: World) -> None:
    here.server.remove(moved_item(here))


async def carry_on(here: World) -> None:
    here.server.relocate(moved_item(here), here.server.add_board("elsewhere").board_id)


async def share_it(here: World) -> None:
    here.write("two/copy.png", seed=1)
    assert (await here.look()).linked == 1


async def delete_board(here: World) -> None:
    for item in here.items("one"):
        here.server.relocate(item.item_id, None)
    here.server.drop_board(here.board("one").board_id)


def moved_item(here: World) -> str:
    stored = here.server.on_board(here.board("two").board_id)
    return next(one.item.item_id for one in stored if one.content == picture(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (delete_it, "left as it is: somebody moved or deleted its item since"),
        (carry_on, "left as it is: somebody moved or deleted its item since"),
        (share_it, "left as it is: two/copy.png is the same item"),
        (delete_board, "server server has no board board-000001"),
    ],
)
async def test_what_happened_since_is_told_and_left(
    tmp_path: Path, change: Callable[[World], Any], words: str
) -> None:
    async with two_boards(tmp_path, CAPABILITIES) as here:
        move_file(here)
        await here.look()
        run = newest_run(here)
        await change(here)
        files = here.local()

        done = await take_back(here, run)

        assert [(one.done, one.words) for one in done.told] == [(False, words)]
        assert here.local() == files


async def test_a_name_that_is_another_items_by_now_is_left_to_it(tmp_path: Path) -> None:
    async with world(tmp_path, MemoryServer("server", NAMED)) as here:
        here.write("a.png", seed=1)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        await here.look()
        run = newest_run(here)
        here.write("a.png", seed=2)
        await here.look()

        done = await take_back(here, run)

        assert [one.done for one in done.told] == [False]
        assert "'a.png' on board 'board' is another item now" in done.told[0].words
        result = await here.look()
        assert (idle(result), result.synced) == (True, 2)


async def test_a_files_old_place_that_is_taken_is_left_to_what_is_there(tmp_path: Path) -> None:
    async with two_boards(tmp_path, CAPABILITIES) as here:
        move_item(here)
        await here.look()
        run = newest_run(here)
        here.write("one/a.png", seed=9)
        await here.look()

        done = await take_back(here, run)

        assert [(one.done, one.words) for one in done.told] == [
            (False, "left as it is: 'one/a.png' is another file now")
        ]
        result = await here.look()
        assert (idle(result), result.synced) == (True, 4)


async def test_the_history_tells_what_a_run_moved(tmp_path: Path) -> None:
    async with two_boards(tmp_path, CAPABILITIES) as here:
        move_file(here)
        await here.look()

        told = run_details(here.state, newest_run(here))

        assert told is not None
        assert [(one["what"], one["before"], one["after"]) for one in told["moves"]] == [
            ("item", "one/a.png", "two/a.png")
        ]


@pytest.mark.parametrize("number", one_in(4, range(1, 6)))
@pytest.mark.parametrize("what", ["item", "file", "board"])
@KINDS
async def test_killed_anywhere_and_repeated_it_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str,
    capabilities: Capabilities,
) -> None:  # fmt: skip
    async with two_boards(tmp_path, capabilities) as here:
        wanted = on(here, "one"), on(here, "two"), here.local()
        if what == "item":
            move_file(here)
        elif what == "file":
            move_item(here)
        else:
            (here.folder / "one").rename(here.folder / "three")
        await here.look()
        run = newest_run(here)
        with monkeypatch.context() as patched:
            kill_at(here, number, ("move", "rename_board"), patched)
            try:
                await take_back(here, run)
            except Killed:
                await asyncio.sleep(0.05)
        await here.restart()
        between = await here.look()
        assert (between.uploaded, between.downloaded, between.trashed) == (0, 0, 0)

        await take_back(here, run)

        if what != "file":
            assert (on(here, "one"), on(here, "two")) == wanted[:2]
        else:
            assert here.local() == wanted[2]
        assert idle(await here.look())
        assert sorted(here.local().values()) == sorted(wanted[2].values())
