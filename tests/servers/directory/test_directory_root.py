"""Whose directory is this: mounts, markers and boards."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from boardsync.errors import (
    BoardMissing,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import Board
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.boards import DirectoryBoards, Ways
from boardsync.servers.directory.root import MARKER, Root
from boardsync.servers.directory.trouble import classify
from boardsync.servers.directory.versions import devices_without_inodes
from servers.contract import picture, upload_of
from servers.directory.kit import (
    listed,
    send,
    write,
)


async def test_a_missing_root_is_away_and_not_created(tmp_path: Path) -> None:
    server = DirectoryServer("nas", tmp_path / "absent")
    with pytest.raises(ServerUnreachable, match="mount its disk, or create it"):
        await server.boards()
    with pytest.raises(ServerUnreachable):
        await server.create_board("board")
    assert not (tmp_path / "absent").exists()


async def test_whoever_only_looks_leaves_no_marker(server: DirectoryServer, root: Path) -> None:
    await server.probe()
    assert await server.boards() == []
    with pytest.raises(BoardMissing):
        await server.listing("board")
    assert list(root.iterdir()) == []


async def test_the_first_board_that_is_made_leaves_the_marker(
    server: DirectoryServer, root: Path
) -> None:
    await server.create_board("board")
    assert (root / MARKER).is_file()


async def test_a_board_that_was_there_before_is_claimed_when_it_is_listed(
    server: DirectoryServer, root: Path
) -> None:
    (root / "board").mkdir()
    await server.listing("board")
    assert (root / MARKER).is_file()


async def test_a_root_that_lost_its_marker_is_away_and_gets_no_boards(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    shutil.rmtree(root)
    root.mkdir()
    for call in (
        server.boards(),
        server.listing(board.board_id),
        server.items(board.board_id, ["a.png"]),
        server.find("bsk"),
        server.create_board("board"),
        server.upload(board.board_id, [upload_of(picture())]),
        server.probe(),
    ):
        with pytest.raises(ServerUnreachable, match="not to be mounted"):
            await call
    assert list(root.iterdir()) == []


async def test_a_disk_that_comes_back_is_used_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    await send(server, upload_of(picture()))
    root.rename(root.with_name("away"))
    with pytest.raises(ServerUnreachable):
        await server.listing("board")
    root.with_name("away").rename(root)
    assert await listed(server) == ["picture.png"]


async def test_a_new_process_that_knows_the_server_distrusts_an_empty_directory(
    root: Path,
) -> None:
    with pytest.raises(ServerUnreachable):
        await DirectoryServer("nas", root, used_before=True).boards()
    assert list(root.iterdir()) == []


async def test_a_directory_with_pictures_of_others_can_be_used(root: Path) -> None:
    write(root / "holiday" / "sea.png", picture())
    server = DirectoryServer("nas", root)
    assert [board.board_id for board in await server.boards()] == ["holiday"]
    assert await listed(server, "holiday") == ["sea.png"]


async def test_a_disk_that_is_pulled_out_during_a_listing_is_away_and_not_empty(
    root: Path,
) -> None:
    write(root / "board" / "a.png", picture())

    def pulling(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if path.rstrip("/").endswith("board"):
            root.rename(root.with_name("away"))
            (root / "board").mkdir(parents=True)
        return os.scandir(path)

    server = DirectoryServer("nas", root, scandir=pulling)
    with pytest.raises(ServerUnreachable):
        await server.listing("board")


class PulledRoot(Root):
    """A root whose disk is pulled out after the first look at it."""

    looks = 0

    def require(self, *, claim: bool = False) -> None:
        self.looks += 1
        if self.looks > 1:
            raise ServerUnreachable("pulled out")


def test_a_board_that_is_gone_with_its_disk_is_not_missing(root: Path) -> None:
    pulled = PulledRoot("nas", str(root), used_before=True)
    boards = DirectoryBoards("nas", pulled, Ways(os.scandir, time.time_ns, 1 << 20))
    with pytest.raises(ServerUnreachable):
        boards.one("board")


async def test_hidden_directories_files_and_links_are_no_boards(
    server: DirectoryServer, root: Path, tmp_path: Path
) -> None:
    for name in (".hidden", "lost+found", "@eaDir", "#recycle"):
        (root / name).mkdir()
    (root / "link").symlink_to(tmp_path, target_is_directory=True)
    write(root / "loose.png", picture())
    assert await server.boards() == []
    for name in (".hidden", "link", "loose.png", "..", "."):
        with pytest.raises(BoardMissing):
            await server.listing(name)


async def test_boards_are_listed_by_name(server: DirectoryServer) -> None:
    for name in ("b", "c", "a"):
        await server.create_board(name)
    assert [board.name for board in await server.boards()] == ["a", "b", "c"]


async def test_a_board_that_is_there_already_is_returned(
    server: DirectoryServer, board: Board
) -> None:
    await send(server, upload_of(picture()))
    assert await server.create_board("board") == board
    assert await listed(server) == ["picture.png"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "nul\0", "x" * 256, "\ud800"])
async def test_a_name_that_cannot_be_a_board_is_refused_in_words(
    server: DirectoryServer, name: str
) -> None:
    with pytest.raises(ServerRefused, match="choose another name"):
        await server.create_board(name)


async def test_a_file_in_a_boards_place_is_refused_in_words(
    server: DirectoryServer, root: Path
) -> None:
    (root / "taken").write_bytes(b"")
    with pytest.raises(ServerRefused, match="no directory"):
        await server.create_board("taken")


async def test_uncategorized_does_not_exist_here(server: DirectoryServer) -> None:
    with pytest.raises(BoardMissing):
        await server.listing(None)


def test_inodes_are_left_out_where_the_filesystem_makes_them_up() -> None:
    mounts = (
        "36 35 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 36 8:17 / /media/stick rw - exfat /dev/sdb1 rw\n"
        "41 36 0:50 / /mnt/nas rw shared:5 master:2 - fuse.sshfs me@nas:/ rw\n"
        "42 36 0:51 / /mnt/nfs\\040share rw - nfs4 nas:/x rw\n"
    )
    assert devices_without_inodes(mounts) == {os.makedev(8, 17), os.makedev(0, 50)}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (errno.ENOSPC, "NoRoom"),
        (errno.EDQUOT, "NoRoom"),
        (errno.EROFS, "NotAuthorised"),
        (errno.ENAMETOOLONG, "ServerRefused"),
        (errno.EOPNOTSUPP, "ServerRefused"),
        (errno.EXDEV, "ServerRefused"),
        (errno.ESTALE, "ServerUnreachable"),
        (errno.ENOTCONN, "ServerUnreachable"),
        (errno.EMFILE, "ServerFault"),
    ],
)
def test_troubles_of_a_disk_are_told_apart(code: int, name: str) -> None:
    error = classify(OSError(code, os.strerror(code)), "board 'b': listing /nas/b")
    assert type(error).__name__ == name
    assert str(error).startswith("board 'b': listing /nas/b: ")
