"""What a board lists, and what it never shows."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from pathlib import Path

import pytest

from boardsync.errors import (
    ItemMissing,
    NotAuthorised,
    ServerUnreachable,
)
from boardsync.model import Board, Item
from boardsync.servers.directory import DirectoryServer
from servers.contract import picture, upload_of
from servers.directory.kit import (
    failing_scandir,
    listed,
    write,
)


async def test_pictures_at_any_depth_are_items_and_nothing_else(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    base = root / "board"
    for name in ("top.png", "sub/deep/er.JPG", "sub/b.webp"):
        write(base / name, picture())
    for name in ("notes.txt", ".hidden.png", ".cache/a.png", ".boardsync-tmp-1.png", "noext"):
        write(base / name, picture())
    outside = write(tmp_path / "outside" / "secret.png", picture())
    (base / "link.png").symlink_to(outside)
    (base / "linked").symlink_to(outside.parent, target_is_directory=True)
    os.mkfifo(base / "pipe.png")
    assert await listed(server) == ["sub/b.webp", "sub/deep/er.JPG", "top.png"]


async def test_an_item_cannot_be_reached_outside_its_board(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    outside = write(tmp_path / "outside" / "secret.png", picture())
    write(root / "other" / "theirs.png", picture())
    (root / "board" / "link.png").symlink_to(outside)
    (root / "board" / "linked").symlink_to(outside.parent, target_is_directory=True)
    ids = ["link.png", "linked/secret.png", "../other/theirs.png", str(outside), "", "a\0.png"]
    assert await server.items("board", ids) == []
    for item_id in ids:
        with pytest.raises(ItemMissing):
            await server.download(Item(item_id, "board"), BytesIO())


async def test_an_edited_item_has_a_new_version_and_the_listing_a_new_digest(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    before = await server.listing("board")
    write(path, picture(2), age_ns=0)
    after = await server.listing("board", known=before.digest)
    assert after.entries is not None
    assert before.entries is not None
    assert after.entries[0].version != before.entries[0].version


async def test_an_item_replaced_under_its_old_date_and_size_has_a_new_version(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    [before] = await server.items("board", ["a.png"])
    other = write(root / "b.png", picture(1))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    [after] = await server.items("board", ["a.png"])
    assert (after.size, after.created_ms) == (before.size, before.created_ms)
    assert after.version != before.version


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ENOENT])
async def test_an_unreadable_subdirectory_makes_a_listing_incomplete(root: Path, code: int) -> None:
    write(root / "board" / "seen.png", picture(1))
    write(root / "board" / "broken" / "unseen.png", picture(2))
    server = DirectoryServer("nas", root, scandir=failing_scandir("broken", code))
    listing = await server.listing("board")
    assert listing.entries is not None
    assert [entry.item_id for entry in listing.entries] == ["seen.png"]
    assert not listing.complete
    again = await server.listing("board", known=listing.digest)
    assert (again.entries, again.complete) == (None, False)


async def test_an_unreadable_board_is_an_error_and_never_an_empty_board(root: Path) -> None:
    write(root / "board" / "seen.png", picture())
    denied = DirectoryServer("nas", root, scandir=failing_scandir("board", errno.EACCES))
    with pytest.raises(NotAuthorised, match="give boardsync's user the right"):
        await denied.listing("board")
    broken = DirectoryServer("nas", root, scandir=failing_scandir("board", errno.EIO))
    with pytest.raises(ServerUnreachable):
        await broken.listing("board")


async def test_a_token_is_not_said_to_be_missing_while_a_folder_cannot_be_read(
    root: Path,
) -> None:
    write(root / "board" / "broken" / "unseen.png", picture())
    server = DirectoryServer("nas", root, scandir=failing_scandir("broken", errno.EACCES))
    with pytest.raises(NotAuthorised):
        await server.find(upload_of(picture()).mark.token)
