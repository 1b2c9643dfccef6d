"""A server that does not know boards and items that it knew: nothing of it is a deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import report
from boardsync.engine.again import again_all
from boardsync.engine.once import MirrorResult
from boardsync.model import Board
from boardsync.servers.memory.server import MemoryServer
from engine.world import World, picture, world

PASSING_ON = {"file_deleted": "trash", "item_deleted": "trash"}
BOARDS = ("cats", "dogs", "owls")


def told(here: World) -> dict[str, Any]:
    mirror: dict[str, Any] = report.status(here.assembly.settings, here.state)["mirrors"][0]
    return mirror


def idle(result: MirrorResult) -> bool:
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did) and result.good


class Memory:
    """What a server knew at one moment."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._boards, self._stored = dict(server._boards), dict(server._stored)

    def forget(self) -> None:
        """Reset the server, but for its Uncategorized."""
        self._server._stored.clear()
        for board in [one for one in self._server._boards if one is not None]:
            del self._server._boards[board]

    def restore(self) -> None:
        """Let it know what it knew, and nothing since."""
        self.forget()
        self._server._boards.update(self._boards)
        self._server._stored.update(self._stored)


async def filled(here: World) -> dict[str, bytes]:
    for seed, board in enumerate(BOARDS):
        for number in range(4):
            here.write(f"{board}/{number}.png", seed=10 * seed + number)
    result = await here.look()
    assert (result.good, result.synced) == (True, 12)
    return here.local()


async def require_waiting(here: World, files: dict[str, bytes], passes: int = 3) -> None:
    here.server.calls.clear()
    for _ in range(passes):
        result = await here.look()
        assert "the server was reset" in (result.trouble or "")
        assert here.local() == files
    assert told(here)["condition"] == "waiting"
    assert told(here)["held"] == 0
    assert {"upload", "create_board", "trash"}.isdisjoint(here.server.calls)


async def test_after_a_reset_the_mirror_waits_and_goes_on_when_the_server_is_itself_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=PASSING_ON) as here:
        files = await filled(here)
        before = Memory(here.server)
        before.forget()
        await require_waiting(here, files)
        here.write("cats/new.png", seed=99)
        here.write("bats/new.png", seed=98)
        files = here.local()
        await require_waiting(here, files)
        await here.restart()
        await require_waiting(here, files, passes=1)

        before.restore()
        result = await here.look()

        assert (result.good, result.uploaded, result.synced) == (True, 2, 14)
        assert (here.local(), idle(await here.look())) == (files, True)


async def test_another_server_at_the_address_with_boards_of_the_same_names_is_sent_nothing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=PASSING_ON) as here:
        files = await filled(here)
        Memory(here.server).forget()
        for name in BOARDS:
            theirs = Board(f"other {name}", name, created_ms=1000)
            here.server._boards[theirs.board_id] = theirs
            here.server.put(theirs.board_id, "x.png", picture(77), size=(24, 16))

        await require_waiting(here, files)


async def test_a_person_says_that_the_reset_is_real_and_everything_is_sent_once_more(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=PASSING_ON) as here:
        files = await filled(here)
        Memory(here.server).forget()
        await require_waiting(here, files)

        done = await again_all(here.assembly, "m")

        assert len(done["m"]) == len(BOARDS)
        result = await here.look()
        assert (result.good, result.uploaded, result.synced) == (True, 12, 12)
        assert (here.local(), idle(await here.look())) == (files, True)


async def test_a_backup_from_before_some_boards_is_waited_for_too(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=PASSING_ON) as here:
        for number in range(4):
            here.write(f"cats/{number}.png", seed=100 + number)
        await here.look()
        old = Memory(here.server)
        for number in range(4, 12):
            here.write(f"cats/{number}.png", seed=100 + number)
        for board in ("dogs", "owls"):
            here.write(f"{board}/a.png", seed=ord(board[0]))
        await here.look()
        files, now = here.local(), Memory(here.server)

        old.restore()
        await require_waiting(here, files)

        now.restore()
        assert idle(await here.look())
        old.restore()
        await require_waiting(here, files, passes=1)
        await again_all(here.assembly, "m")
        result = await here.look()
        assert (result.uploaded, result.trashed, result.synced) == (10, 0, 14)
        assert here.local() == files


async def test_boards_that_a_person_deleted_with_their_pictures_hold_up_no_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=PASSING_ON) as here:
        files = await filled(here)
        for name in ("cats", "dogs"):
            here.server.drop_board(here.board(name).board_id)
        here.write("owls/new.png", seed=99)

        result = await here.look()

        assert result.uploaded == 1
        assert "'cats' was deleted" in (result.trouble or "")
        assert "reset" not in (result.trouble or "")
        assert here.local() == files | {"owls/new.png": picture(99)}


@pytest.mark.parametrize("direction", ["both", "push", "pull"])
async def test_a_single_board_that_is_made_again_is_an_answer(
    tmp_path: Path, direction: str
) -> None:
    async with world(tmp_path, direction=direction) as here:
        board = here.server.add_board("board")
        if direction == "pull":
            here.server.put(board.board_id, "x.png", picture(1), size=(24, 16))
        else:
            here.write("a.png", seed=1)
        await here.look()
        files = here.local()
        Memory(here.server).forget()
        await require_waiting(here, files)

        here.server.add_board("board")
        result = await here.look()

        assert (result.trouble, here.local()) == (None, files)
        assert result.uploaded == int(direction != "pull")


async def test_all_again_of_a_mirror_starts_pictures_anew_whose_other_side_was_deleted(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        for seed in range(3):
            here.write(f"{seed}.png", seed=seed)
        await here.look()
        here.server.remove(here.items()[0].item_id)
        await here.look()
        assert idle(await here.look())

        assert await again_all(here.assembly, "m") == {
            "m": ["links with one side only are forgotten: 1"]
        }
        result = await here.look()

        assert (result.uploaded, result.synced) == (1, 3)
        assert await again_all(here.assembly, "m") == {}
