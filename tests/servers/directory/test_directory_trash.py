"""The trash of a directory: beside the boards, by rename, and told by its records alone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.errors import (
    BoardMissing,
    Bug,
    ItemChanged,
    ItemMissing,
    ServerFault,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import Board, Item, Outcome
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.origins import TRASH, parse_id
from boardsync.servers.directory.root import MARKER
from boardsync.servers.directory.sweep import sweep
from servers.contract import picture, upload_of
from servers.directory.kit import DAY, listed, mark_of, send, spoil, write

KEY = "0123-abc"


@pytest.fixture
async def item(server: DirectoryServer, board: Board) -> Item:
    return await send(server, upload_of(picture(), "sub/a.png"))


def entry(root: Path, key: str = KEY) -> Path:
    return root / TRASH / key


async def test_a_removed_picture_lies_under_its_key_and_its_bytes_never_travelled(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    before = (root / "board" / item.item_id).stat()
    trashed_id = await server.trash(item, KEY)
    after = (entry(root) / "a.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert parse_id(trashed_id) is not None
    assert list((root / "board" / "sub" / MARKS_FOLDER).iterdir()) == []


async def test_the_trash_is_gone_without_a_trace_when_it_is_empty(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    await server.purge(await server.trash(item, KEY))
    assert list((root / TRASH).iterdir()) == []


async def test_looking_into_a_trash_that_nobody_used_makes_none(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    assert await server.in_trash(f"{TRASH}/{KEY}/1-1-1/a.png") is None
    with pytest.raises(ItemMissing):
        await server.purge(f"{TRASH}/{KEY}/1-1-1/a.png")
    assert sorted(path.name for path in root.iterdir()) == sorted([MARKER, "board"])


@pytest.mark.parametrize("key", ["", "Upper", "../a", "a/b", "a.b", "x" * 101])
async def test_a_key_that_could_lead_elsewhere_is_a_bug(
    server: DirectoryServer, item: Item, key: str
) -> None:
    with pytest.raises(Bug):
        await server.trash(item, key)
    assert await listed(server) == [item.item_id]


@pytest.mark.parametrize(
    "trashed_id",
    ["", "a.png", TRASH, f"{TRASH}/../x/a.png", f"{TRASH}/key/1/../../a.png", f"{TRASH}/k/1/a.txt"],
)
async def test_what_is_no_id_of_the_trash_is_not_in_it(
    server: DirectoryServer, board: Board, trashed_id: str
) -> None:
    assert await server.in_trash(trashed_id) is None
    for asking in (server.purge(trashed_id), server.untrash(trashed_id, "board")):
        with pytest.raises(ItemMissing):
            await asking


async def test_what_a_program_goes_on_writing_comes_back_and_is_not_removed(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    await server.trash(item, KEY)
    write(entry(root) / "a.png", picture(2))
    with pytest.raises(ItemChanged):
        await server.trash(item, KEY)
    assert (root / "board" / item.item_id).read_bytes() == picture(2)
    assert list((root / TRASH).iterdir()) == []


async def test_what_comes_back_because_it_changed_takes_no_name_from_another(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    await server.trash(item, KEY)
    write(entry(root) / "a.png", picture(2))
    write(root / "board" / "sub" / "a.png", picture(3))
    with pytest.raises(ItemChanged):
        await server.trash(item, KEY)
    assert await listed(server) == ["sub/a (2).png", "sub/a.png"]


async def test_a_copy_of_the_tree_has_the_same_trash(
    server: DirectoryServer, root: Path, item: Item, tmp_path: Path
) -> None:
    trashed_id = await server.trash(item, KEY)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = DirectoryServer("copy", tmp_path / "copy")
    assert await copy.in_trash(trashed_id) is not None
    [hit] = await copy.find(upload_of(picture()).mark.token)
    assert (hit.item_id, hit.trashed) == (trashed_id, True)
    assert (await copy.untrash(trashed_id, "board")).item_id == item.item_id
    assert await mark_of(copy, item.item_id) == upload_of(picture()).mark


async def test_a_trash_whose_disk_is_away_is_not_an_empty_one(
    server: DirectoryServer, root: Path, item: Item, tmp_path: Path
) -> None:
    trashed_id = await server.trash(item, KEY)
    root.rename(tmp_path / "unplugged")
    root.mkdir()
    for asking in (
        server.in_trash(trashed_id),
        server.purge(trashed_id),
        server.untrash(trashed_id, "board"),
        server.trash(item, KEY),
        server.items("board", [trashed_id]),
    ):
        with pytest.raises(ServerUnreachable):
            await asking
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"format": 2}', b"\xff", b"9" * 70_000])
async def test_a_picture_whose_record_is_broken_is_kept_and_never_overwritten(
    server: DirectoryServer, root: Path, item: Item, broken: bytes
) -> None:
    trashed_id = await server.trash(item, KEY)
    (entry(root) / MARKS_FOLDER / "origin").write_bytes(broken)
    assert await server.in_trash(trashed_id) is None
    with pytest.raises(ItemMissing):
        await server.purge(trashed_id)
    again = await send(server, upload_of(picture(2), "sub/a.png"))
    with pytest.raises(ServerFault):
        await server.trash(again, KEY)
    assert (entry(root) / "a.png").read_bytes() == picture()
    assert await listed(server) == ["sub/a.png"]


async def test_leftovers_of_removals_are_swept_when_they_are_old_and_pictures_never(
    root: Path,
) -> None:
    now = root.stat().st_mtime_ns
    server = DirectoryServer("nas", root, clock_ns=lambda: now + 2 * DAY)
    await server.create_board("board")
    kept = await server.trash(await send(server, upload_of(picture(1), "kept.png")), "kept")
    for name in ("left", "theirs"):
        (entry(root, name) / MARKS_FOLDER).mkdir(parents=True)
        (entry(root, name) / MARKS_FOLDER / ".boardsync-tmp-0123").write_bytes(b"half")
    (entry(root, "theirs") / "notes.txt").write_bytes(b"a person's")

    later = DirectoryServer("nas", root, clock_ns=lambda: now + 4 * DAY)
    await later.trash(await send(later, upload_of(picture(2), "new.png")), "new")
    assert sorted(path.name for path in (root / TRASH).iterdir()) == ["kept", "new", "theirs"]
    assert (entry(root, "theirs") / "notes.txt").exists()
    assert await later.in_trash(kept) is not None


async def test_young_leftovers_are_left_to_whoever_is_at_work(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    (entry(root, "theirs") / MARKS_FOLDER).mkdir(parents=True)
    await server.trash(item, KEY)
    assert entry(root, "theirs").exists()


@pytest.mark.parametrize("target", [None, "outside"])
async def test_what_has_the_name_of_the_trash_stops_removals_and_nothing_else(
    server: DirectoryServer, root: Path, item: Item, target: str | None
) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    if target is None:
        (root / MARKS_FOLDER).write_bytes(b"a file of somebody else")
    else:
        (root / MARKS_FOLDER).symlink_to(outside)
    with pytest.raises(ServerRefused, match="is no directory"):
        await server.trash(item, KEY)
    assert await listed(server) == [item.item_id]
    assert await mark_of(server, item.item_id) == upload_of(picture()).mark
    assert list(outside.iterdir()) == []


async def test_a_torn_picture_in_the_trash_is_no_ghost(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    trashed = await server.in_trash(await server.trash(item, KEY))
    assert trashed is not None
    spoil(entry(root) / "a.png")
    with pytest.raises(ServerRefused, match="nothing is a ghost"):
        await server.delete_ghost(trashed)
    assert (entry(root) / "a.png").exists()


async def test_a_second_name_of_somebody_elses_making_is_not_lost(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a (2).png", picture())
    os.link(root / "board" / "a (2).png", root / "board" / "b.png")
    [item] = await server.items("board", ["a (2).png"])
    moved = await server.move(item, "board", "a.png")
    assert moved.item_id == "a.png"
    assert await listed(server) == ["a.png", "b.png"]


async def test_a_name_that_was_being_taken_away_is_swept_only_when_the_file_has_another(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    marks = root / "board" / "sub" / MARKS_FOLDER
    os.link(root / "board" / item.item_id, marks / ".boardsync-aside-1")
    (marks / ".boardsync-aside-2").write_bytes(picture(2))
    later = (marks / ".boardsync-aside-2").stat().st_mtime_ns + 2 * DAY
    assert sweep(str(root / "board" / "sub"), later) == 1
    assert (marks / ".boardsync-aside-2").read_bytes() == picture(2)


async def test_a_mark_whose_bytes_were_touched_goes_along(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    os.utime(root / "board" / item.item_id, ns=(1, 1))
    [touched] = await server.items("board", [item.item_id])
    trashed_id = await server.trash(touched, KEY)
    mark = upload_of(picture()).mark
    assert await server.marks(TRASH, [trashed_id]) == {trashed_id: mark}
    await server.untrash(trashed_id, "board", "b.png")
    assert await mark_of(server, "b.png") == mark


async def test_a_move_below_what_is_no_directory_is_refused_in_words(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    write(root / "board" / "taken", b"a file of somebody else")
    with pytest.raises(ServerRefused, match="is no directory"):
        await server.move(item, "board", "taken/a.png")
    with pytest.raises(ServerRefused, match="rename the file"):
        await server.move(item, "board", "../a.png")
    assert await listed(server) == [item.item_id]


async def test_a_replacement_without_a_usable_key_is_a_bug_and_nothing_is_stored(
    server: DirectoryServer, item: Item
) -> None:
    good, bad = upload_of(picture(3), "b.png"), replace(upload_of(picture(2)), replaces=item)
    with pytest.raises(Bug):
        await server.upload("board", [good, bad])
    assert await listed(server) == [item.item_id]


async def test_a_replacement_that_is_no_whole_picture_is_refused(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    torn = replace(upload_of(picture(2)[:-20]), replaces=item, trash_key=KEY)
    [result] = await server.upload("board", [torn])
    assert result.outcome is Outcome.REFUSED
    assert (root / "board" / item.item_id).read_bytes() == picture()
    assert not (root / TRASH).exists()


async def test_a_new_version_carries_its_own_date(
    server: DirectoryServer, root: Path, item: Item
) -> None:
    dated = replace(
        upload_of(picture(2)), replaces=item, trash_key=KEY, created_ms=1_600_000_000_123
    )
    [result] = await server.upload("board", [dated])
    assert result.item is not None
    assert result.item.created_ms == 1_600_000_000_123
    assert (result.item.width, result.item.height) == (dated.width, dated.height)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "nul\0", "x" * 256])
async def test_a_board_gets_no_name_that_cannot_be_one(
    server: DirectoryServer, board: Board, name: str
) -> None:
    with pytest.raises(ServerRefused, match="choose another name"):
        await server.rename_board("board", name)
    assert [one.name for one in await server.boards()] == ["board"]


@pytest.mark.parametrize("empty", [False, True])
async def test_a_board_never_takes_the_name_of_something_else(
    server: DirectoryServer, root: Path, board: Board, empty: bool
) -> None:
    if empty:
        (root / "taken").mkdir()
    else:
        (root / "taken").write_bytes(b"a file of somebody else")
    with pytest.raises(ServerRefused, match="there already"):
        await server.rename_board("board", "taken")
    assert (root / "board").is_dir()


async def test_another_board_of_the_wanted_name_is_not_taken_for_the_renamed_one(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    await server.create_board("other")
    shutil.rmtree(root / "board")
    with pytest.raises(BoardMissing):
        await server.rename_board("board", "other")


async def test_a_board_that_is_renamed_to_and_fro_is_recognised_each_time(
    server: DirectoryServer, item: Item
) -> None:
    for old, new in (("board", "b"), ("b", "board"), ("board", "c")):
        first = await server.rename_board(old, new)
        assert await server.rename_board(old, new) == first
    assert await listed(server, "c") == [item.item_id]
