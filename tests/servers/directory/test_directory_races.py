"""Whatever another program does to an item, and whenever: nobody's picture is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from boardsync.errors import ItemChanged, Missing
from boardsync.formats.whole import check
from boardsync.model import Item, Outcome
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.origins import TRASH
from servers.contract import picture, upload_of
from servers.directory.crash import BOARD, KEY, NAME, OTHER, THEIRS
from servers.directory.kit import after_steps, listed

WAYS = [[], ["plain"]]
IDS = ["renameat2", "link and unlink"]
EDITS = ["edit", "rewrite"]


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.real), 12], ids="1 in {}".format)
def every(request: pytest.FixtureRequest) -> int:
    """Which file operations are disturbed: all of them, or one in so many."""
    return int(request.param)


def after(piece: str, root: Path, way: list[str], disturbance: str, every: int) -> Iterator[Path]:
    """Disturb a piece of work before its file operations; give what is left each time."""
    *disturbed, _done_undisturbed = after_steps(piece, root, [*way, disturbance], every)
    yield from disturbed


async def shown(server: DirectoryServer) -> list[bytes]:
    """Return the bytes of all pictures that boards and the trash show."""
    items: list[Item] = []
    for board in await server.boards():
        board_id = str(board.board_id)
        items += await server.items(board_id, await listed(server, board_id))
    trashed = await server.in_trash(f"{TRASH}/{KEY}/1-1-1/{NAME}")
    return [await bytes_of(server, item) for item in [*items, *([trashed] if trashed else [])]]


async def bytes_of(server: DirectoryServer, item: Item) -> bytes:
    sink = BytesIO()
    await server.download(item, sink)
    return sink.getvalue()


def on_disk(root: Path) -> list[bytes]:
    """Return the bytes of all pictures below a root, hidden ones too."""
    return [path.read_bytes() for path in root.rglob("*.png") if path.is_file()]


async def require_theirs(server: DirectoryServer, root: Path) -> None:
    seen = await shown(server)
    assert seen.count(picture(THEIRS)) == 1, "what another program saved is lost, or doubled"
    assert sorted(on_disk(root)) == sorted(seen), "a picture lies where nobody looks"
    assert all(check(content).whole for content in seen)


def nothing_was_there(root: Path, disturbance: str) -> bool:
    """Tell whether the item had gone by then, so that there was nothing to write over."""
    return disturbance == "rewrite" and picture(THEIRS) not in on_disk(root)


@pytest.mark.parametrize("disturbance", EDITS)
@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_what_is_saved_during_a_replacement_is_kept(
    tmp_path: Path, way: list[str], disturbance: str, every: int
) -> None:
    results = set()
    for root in after("replace", tmp_path, way, disturbance, every):
        server = DirectoryServer("race", root)
        if nothing_was_there(root, disturbance):
            continue
        await require_theirs(server, root)
        new = replace(upload_of(picture(2)), replaces=Item(NAME, BOARD, "1-1-1"), trash_key=KEY)
        [result] = await server.upload(BOARD, [new])
        results.add(result.outcome)
        assert result.outcome in (Outcome.CHANGED, Outcome.EXISTED)
        await require_theirs(server, root)
    assert Outcome.CHANGED in results


@pytest.mark.parametrize("disturbance", EDITS)
@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_what_is_saved_during_a_removal_is_not_removed(
    tmp_path: Path, way: list[str], disturbance: str, every: int
) -> None:
    for root in after("trash", tmp_path, way, disturbance, every):
        server = DirectoryServer("race", root)
        if nothing_was_there(root, disturbance):
            assert sorted(await shown(server)) == sorted([picture(1), picture(9)])
            continue
        await require_theirs(server, root)
        on_board = await server.items(BOARD, await listed(server, BOARD))
        assert picture(THEIRS) in [await bytes_of(server, item) for item in on_board]


@pytest.mark.parametrize("disturbance", EDITS)
@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_what_is_saved_during_a_move_is_kept(
    tmp_path: Path, way: list[str], disturbance: str, every: int
) -> None:
    for root in after("move", tmp_path, way, disturbance, every):
        server = DirectoryServer("race", root)
        if nothing_was_there(root, disturbance):
            continue
        await require_theirs(server, root)


@pytest.mark.parametrize("way", WAYS, ids=IDS)
@pytest.mark.parametrize("piece", ["replace", "trash", "move"])
async def test_what_is_deleted_meanwhile_leaves_nothing_half_done(
    tmp_path: Path, piece: str, way: list[str], every: int
) -> None:
    for root in after(piece, tmp_path, way, "delete", every):
        server = DirectoryServer("race", root)
        seen = await shown(server)
        assert sorted(on_disk(root)) == sorted(seen)
        assert all(check(content).whole for content in seen)
        assert picture(9) in seen
        for asking in (
            server.trash(Item(NAME, BOARD, "1-1-1"), "removal-2"),
            server.move(Item(NAME, BOARD, "1-1-1"), OTHER),
        ):
            with pytest.raises((ItemChanged, Missing)):
                await asking
