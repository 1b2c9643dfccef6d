"""What is fetched is whole, and only a ghost of ours is ever deleted."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from boardsync.errors import (
    FileChanging,
    PictureRefused,
    ServerRefused,
)
from boardsync.formats import BMP, JPEG
from boardsync.model import Board, Item
from boardsync.servers.directory import DirectoryServer
from picture_samples import sample
from servers.contract import picture, upload_of
from servers.directory.kit import (
    HOUR,
    send,
    write,
)


async def test_a_picture_that_is_still_being_written_is_waited_for(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.png", picture()[:-20], age_ns=0)
    [item] = await server.items("board", ["a.png"])
    sink = BytesIO()
    with pytest.raises(FileChanging, match="still being written"):
        await server.download(item, sink)
    assert sink.getvalue() == b""
    assert not await server.complete(item)


async def test_a_picture_that_stays_broken_is_refused(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.png", picture()[:-20])
    [item] = await server.items("board", ["a.png"])
    with pytest.raises(PictureRefused, match="mend or remove it"):
        await server.download(item, BytesIO())


async def test_a_format_whose_end_is_not_certain_has_to_stand_still(root: Path) -> None:
    hollow = bytearray(sample(BMP, size=(64, 64)))
    hollow[-1024:] = bytes(1024)
    path = write(root / "board" / "a.bmp", bytes(hollow), age_ns=0)
    written = path.stat().st_mtime_ns
    now = written + 10**9
    server = DirectoryServer("nas", root, clock_ns=lambda: now)
    [item] = await server.items("board", ["a.bmp"])
    with pytest.raises(FileChanging):
        await server.download(item, BytesIO())
    now = written + 11 * 10**9
    assert (await server.download(item, BytesIO())).width == 64


async def test_an_item_that_changed_since_it_was_listed_is_looked_at_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    [item] = await server.items("board", ["a.png"])
    write(path, picture(2), age_ns=2 * HOUR)
    with pytest.raises(FileChanging, match="since it was listed"):
        await server.download(item, BytesIO())


async def test_the_extension_of_a_download_fits_its_bytes(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.PNG", sample(JPEG))
    write(root / "board" / "b.jpeg", sample(JPEG))
    found = await server.items("board", ["a.PNG", "b.jpeg"])
    extensions = [(await server.download(item, BytesIO())).extension for item in found]
    assert extensions == [".jpg", ".jpeg"]


async def test_a_picture_above_the_size_limit_is_refused(root: Path) -> None:
    write(root / "board" / "a.png", picture())
    server = DirectoryServer("nas", root, max_bytes=100)
    with pytest.raises(PictureRefused, match="larger than allowed"):
        await server.download(Item("a.png", "board"), BytesIO())


async def test_torn_bytes_of_somebody_else_are_never_deleted(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    theirs = write(root / "board" / "theirs.png", picture(1)[:-20])
    ours = await send(server, upload_of(picture(2), "ours.png"))
    edited = root / "board" / ours.item_id
    edited.write_bytes(picture(3)[:-20])
    for item_id in ("theirs.png", "ours.png"):
        with pytest.raises(ServerRefused, match="not an upload of ours"):
            await server.delete_ghost(Item(item_id, "board"))
    assert theirs.exists()
    assert edited.exists()
