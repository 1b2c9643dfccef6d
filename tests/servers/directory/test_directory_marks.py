"""Whose item is this: marks fit the bytes they were written for, and no others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from boardsync.model import Board
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.recall import FolderCache
from servers.contract import picture, upload_of
from servers.directory.kit import (
    HOUR,
    mark_of,
    send,
    write,
)


async def test_an_edited_item_loses_the_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(1))
    item = await send(server, upload)
    (root / "board" / item.item_id).write_bytes(picture(2))
    assert await mark_of(server, item.item_id) is None
    assert await server.find(upload.mark.token) == []


async def test_below_a_link_to_the_servers_directory_later_boards_are_found_too(
    root: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    long_ago = link.lstat().st_mtime_ns - HOUR
    os.utime(link, ns=(long_ago, long_ago), follow_symlinks=False)
    server = DirectoryServer("nas", link)
    for number, name in enumerate(("early", "late")):
        await server.create_board(name)
        upload = upload_of(picture(number))
        await send(server, upload, name)
        assert [item.board_id for item in await server.find(upload.mark.token)] == [name]


async def test_an_item_that_was_edited_back_has_its_mark_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(1))
    item = await send(server, upload)
    write(root / "board" / item.item_id, picture(2))
    write(root / "board" / item.item_id, picture(1))
    assert await mark_of(server, item.item_id) == upload.mark


async def test_a_touched_item_keeps_its_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    os.utime(root / "board" / item.item_id, ns=(1, 1))
    assert await mark_of(server, item.item_id) == upload.mark


async def test_items_that_moved_with_their_folder_keep_their_marks(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(), "old/name/a.png")
    await send(server, upload)
    assert await server.find(upload.mark.token) != []
    (root / "board" / "old").rename(root / "board" / "new")
    assert await mark_of(server, "new/name/a.png") == upload.mark
    assert [hit.item_id for hit in await server.find(upload.mark.token)] == ["new/name/a.png"]


async def test_a_copy_of_the_tree_keeps_the_marks_by_digest(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    upload = upload_of(picture(), "sub/a.png")
    item = await send(server, upload)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = DirectoryServer("copy", tmp_path / "copy")
    [copied] = await copy.items("board", [item.item_id])
    assert copied.version != item.version
    assert await mark_of(copy, item.item_id) == upload.mark
    assert [hit.item_id for hit in await copy.find(upload.mark.token)] == [item.item_id]


async def test_a_copy_beside_the_item_has_no_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    shutil.copy2(root / "board" / item.item_id, root / "board" / "copy.png")
    assert await mark_of(server, "copy.png") is None
    assert [hit.item_id for hit in await server.find(upload.mark.token)] == [item.item_id]


async def test_a_token_whose_item_is_deleted_is_not_found_any_more(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    assert len(await server.find(upload.mark.token)) == 1
    (root / "board" / item.item_id).unlink()
    assert await server.find(upload.mark.token) == []


async def test_what_another_daemon_stores_is_found_at_once(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    other = DirectoryServer("nas", root)
    for number in range(1, 4):
        upload = upload_of(picture(number), f"sub{number}/a.png")
        assert await server.find(upload.mark.token) == []
        await send(other, upload)
        assert len(await server.find(upload.mark.token)) == 1


async def test_settled_folders_are_not_read_again(root: Path) -> None:
    reads: list[str] = []

    def counting(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        reads.append(path)
        return os.scandir(path)

    later = root.stat().st_mtime_ns + HOUR
    server = DirectoryServer("nas", root, scandir=counting, clock_ns=lambda: later)
    await server.create_board("board")
    upload = upload_of(picture(), "sub/a.png")
    await send(server, upload)
    assert len(await server.find(upload.mark.token)) == 1
    reads.clear()
    assert len(await server.find(upload.mark.token)) == 1
    assert reads == []


def test_a_folder_that_changed_just_now_is_read_again_whatever_its_date_says(
    tmp_path: Path,
) -> None:
    now = 0
    cache = FolderCache(lambda path: sorted(os.listdir(path)), lambda: now)

    def change(name: str) -> list[str] | None:
        """Change the folder within one tick of its clock, and look."""
        (tmp_path / name).touch()
        os.utime(tmp_path, ns=(10**18, 10**18))
        return cache.get(str(tmp_path))

    now = 10**18 + 10**9
    assert (change("a"), change("b")) == (["a"], ["a", "b"])
    now = 10**18 + 10**10
    assert (change("c"), change("d")) == (["a", "b", "c"], ["a", "b", "c"])
    os.utime(tmp_path, ns=(10**18 + 1, 10**18 + 1))
    assert cache.get(str(tmp_path)) == ["a", "b", "c", "d"]


def test_a_forgotten_or_vanished_folder_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    reads: list[str] = []
    cache = FolderCache(reads.append, lambda: folder.stat().st_mtime_ns + HOUR)
    for kept in ([str(folder)], []):
        cache.get(str(folder))
        cache.keep(kept)
    cache.get(str(folder))
    assert reads == [str(folder)] * 2
    folder.rmdir()
    assert cache.get(str(folder)) is None
    assert len(reads) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 2}',
        b'{"format": 1, "mark": {"version": 1}}',
        b"[" * 60_000,
        b"\xff\xfe",
        b"9" * 70_000,
    ],
)
async def test_a_broken_mark_is_no_mark(
    server: DirectoryServer, root: Path, board: Board, body: bytes
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    [mark] = (root / "board" / MARKS_FOLDER).glob("*.json")
    mark.write_bytes(body)
    assert await mark_of(server, item.item_id) is None
    assert await server.find(upload.mark.token) == []
