"""Killed at any step, a move, removal or replacement loses nothing, and its repeat ends well."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from boardsync.errors import BoardMissing, ItemMissing
from boardsync.files.durable import TEMP_PREFIX
from boardsync.model import Item, Outcome
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.origins import TRASH
from servers.contract import picture, upload_of
from servers.directory.crash import BOARD, KEY, NAME, OTHER
from servers.directory.kit import after_steps, listed

# Half a minute for each way: long, but every step counts.
pytestmark = pytest.mark.real

OLD, NEW = upload_of(picture(1), NAME), upload_of(picture(2), NAME)
WAYS = [[], ["plain"]]
IDS = ["renameat2", "link and unlink"]


async def content(server: DirectoryServer, item: Item) -> bytes:
    sink = BytesIO()
    await server.download(item, sink)
    return sink.getvalue()


async def holding(server: DirectoryServer, number: int) -> AsyncIterator[Item]:
    """Give all items, on boards and in the trash, that hold a picture."""
    for board in await server.boards():
        for item_id in await listed(server, str(board.board_id)):
            for item in await server.items(board.board_id, [item_id]):
                if await content(server, item) == picture(number):
                    yield item
    for item in await server.find(upload_of(picture(number)).mark.token):
        if item.trashed and await content(server, item) == picture(number):
            yield item


async def places_of(server: DirectoryServer, number: int) -> list[tuple[str, bool]]:
    return [(item.item_id, item.trashed) async for item in holding(server, number)]


def litter(root: Path) -> list[str]:
    """List what nobody would look for.

    Of temporary files only those in the trash: others go at the next upload.
    """
    found = []
    for path in root.rglob("*"):
        relative = str(path.relative_to(root))
        mark = path.parent.name == MARKS_FOLDER and path.suffix == ".json"
        beside = path.parent.parent
        if mark and sum(1 for one in path.parent.glob("*.json")) > sum(
            1 for one in beside.glob("*.png")
        ):
            found.append(relative)
        if path.name.startswith(os.fsdecode(TEMP_PREFIX)) and root / TRASH in path.parents:
            found.append(relative)
        if path.parent == root / TRASH and not any(path.glob("*.png")):
            found.append(relative)
    return found


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_killed_at_every_step_of_a_move_the_item_is_there_and_the_repeat_finds_it(
    tmp_path: Path, way: list[str]
) -> None:
    seen = set()
    for root in after_steps("move", tmp_path, way):
        server = DirectoryServer("crash", root)
        now = await places_of(server, 1)
        assert now
        seen.add(tuple(now))
        items = await server.items(BOARD, [NAME])
        item = items[0] if items else await origin_of(server)
        moved = await server.move(item, OTHER)
        assert (moved.board_id, moved.item_id) == (OTHER, "sub/picture (2).png")
        assert await places_of(server, 1) == [("sub/picture (2).png", False)]
        assert await server.marks(OTHER, [moved.item_id]) == {moved.item_id: OLD.mark}
        assert await places_of(server, 9) == [(NAME, False)]
        assert litter(root) == []
    assert len(seen) >= 2


async def origin_of(server: DirectoryServer) -> Item:
    """Return the item as the engine remembers it: where it was, in the version it was."""
    [hit, *_] = await server.find(OLD.mark.token)
    return Item(NAME, BOARD, version=hit.version)


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_killed_at_every_step_of_a_removal_the_same_key_finishes_it(
    tmp_path: Path, way: list[str]
) -> None:
    seen = set()
    for root in after_steps("trash", tmp_path, way):
        server = DirectoryServer("crash", root)
        now = await places_of(server, 1)
        assert now
        seen.add(tuple(now))
        trashed_id = await server.trash(await origin_of(server), KEY)
        assert await places_of(server, 1) == [(trashed_id, True)]
        assert await server.marks(TRASH, [trashed_id]) == {trashed_id: OLD.mark}
        assert await listed(server, BOARD) == []
        assert litter(root) == []
        assert (await server.untrash(trashed_id, BOARD)).item_id == NAME
        assert await server.marks(BOARD, [NAME]) == {NAME: OLD.mark}
        assert not list((root / TRASH).iterdir())
    assert len(seen) >= 2


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_killed_at_every_step_of_coming_back_the_repeat_finds_it_on_the_board(
    tmp_path: Path, way: list[str]
) -> None:
    seen = set()
    for root in after_steps("untrash", tmp_path, way):
        server = DirectoryServer("crash", root)
        now = await places_of(server, 1)
        assert now
        seen.add(tuple(now))
        [hit, *_] = await server.find(OLD.mark.token)
        trashed_id = f"{TRASH}/{KEY}/{hit.version}/{NAME}"
        back = await server.untrash(trashed_id, OTHER)
        assert await server.untrash(trashed_id, OTHER) == back
        assert await places_of(server, 1) == [("sub/picture (2).png", False)]
        assert await server.marks(OTHER, [back.item_id]) == {back.item_id: OLD.mark}
        assert not list((root / TRASH).iterdir())
        assert litter(root) == []
    assert len(seen) >= 2


async def test_killed_at_every_step_of_a_purge_the_repeat_clears_the_rest(tmp_path: Path) -> None:
    gone = []
    for root in after_steps("purge", tmp_path, []):
        server = DirectoryServer("crash", root)
        trashed_id = f"{TRASH}/{KEY}/1-1-1/{NAME}"
        gone.append(await server.in_trash(trashed_id) is None)
        assert await places_of(server, 1) == ([] if gone[-1] else await places_of(server, 1))
        try:
            await server.purge(trashed_id)
        except ItemMissing:
            assert gone[-1]
        assert await server.in_trash(trashed_id) is None
        assert not list((root / TRASH).iterdir())
        assert await places_of(server, 9) == [(NAME, False)]
    assert gone == sorted(gone)
    assert len(set(gone)) == 2


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_killed_at_every_step_of_a_replacement_the_repeat_ends_with_both_versions(
    tmp_path: Path, way: list[str]
) -> None:
    seen = set()
    for root in after_steps("replace", tmp_path, way):
        server = DirectoryServer("crash", root)
        now = await places_of(server, 1)
        assert now, "the old version is lost"
        on_board = await listed(server, BOARD)
        assert on_board == [NAME] or (way and on_board == [])
        seen.add((tuple(now), tuple(await places_of(server, 2))))
        [hit, *_] = await server.find(OLD.mark.token)
        old = Item(NAME, BOARD, version=hit.version)
        new = replace(NEW, replaces=old, trash_key=KEY)
        [result] = await server.upload(BOARD, [new])
        assert result.outcome in (Outcome.STORED, Outcome.EXISTED)
        await both_versions_are_in_their_places(server, old)
        assert litter(root) == []
    assert len(seen) >= 2


async def test_killed_once_the_new_version_is_there_its_look_up_clears_the_rest(
    tmp_path: Path,
) -> None:
    for root in after_steps("replace", tmp_path, []):
        server = DirectoryServer("crash", root)
        hits = await server.find(NEW.mark.token)
        if not [one for one in hits if not one.trashed]:
            continue
        # What the engine does once it found its upload there: the repeat of the removal alone.
        [hit, *_] = await server.find(OLD.mark.token)
        await server.trash(Item(NAME, BOARD, version=hit.version), KEY)
        assert await places_of(server, 2) == [(NAME, False)]
        assert litter(root) == []


async def both_versions_are_in_their_places(server: DirectoryServer, old: Item) -> None:
    trashed_id = await server.trash(old, KEY)
    assert await listed(server, BOARD) == [NAME]
    assert await places_of(server, 2) == [(NAME, False)]
    assert await places_of(server, 1) == [(trashed_id, True)]
    assert await server.marks(BOARD, [NAME]) == {NAME: NEW.mark}
    assert await server.marks(TRASH, [trashed_id]) == {trashed_id: OLD.mark}


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_a_killed_replacement_that_was_carried_out_is_found_by_its_key(
    tmp_path: Path, way: list[str]
) -> None:
    """The engine looks the token up after a kill, and does not send the new version again."""
    outcomes = set()
    for root in after_steps("replace", tmp_path, way):
        server = DirectoryServer("crash", root)
        [hit, *_] = await server.find(OLD.mark.token)
        old = Item(NAME, BOARD, version=hit.version)
        arrived = [item for item in await server.find(NEW.mark.token) if not item.trashed]
        outcomes.add(bool(arrived))
        if arrived:
            await both_versions_are_in_their_places(server, old)
    assert outcomes == {False, True}


@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_a_killed_rename_of_a_board_is_recognised_by_its_repeat(
    tmp_path: Path, way: list[str]
) -> None:
    renamed = []
    for root in after_steps("rename", tmp_path, way):
        server = DirectoryServer("crash", root)
        renamed.append("renamed" in {board.name for board in await server.boards()})
        assert (await server.rename_board(BOARD, "renamed")).board_id == "renamed"
        assert {board.name for board in await server.boards()} == {"renamed", OTHER}
        assert await server.marks("renamed", [NAME]) == {NAME: OLD.mark}
        with pytest.raises(BoardMissing):
            await server.rename_board(BOARD, OTHER)
    assert len(set(renamed)) == 2
