"""What tests of the directory kind share: another program's files, failing disks, short ways."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from boardsync.model import Item, Mark, Upload
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.tree import Scandir
from boardsync.servers.port import BoardId
from servers.contract import Kind, stored

TESTS = Path(__file__).parents[2]
HOUR = 3600 * 10**9
DAY = 24 * HOUR


def write(path: Path, content: bytes, age_ns: int = HOUR) -> Path:
    """Write a file as another program does, and let it be as old as that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    moment = path.stat().st_mtime_ns - age_ns
    os.utime(path, ns=(moment, moment))
    return path


def spoil(path: Path) -> None:
    """Lose a file's bytes as a failing disk does: nothing that `stat` shows changes."""
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\0" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def directory_kind(root: Path) -> Kind:
    root.mkdir()
    server = DirectoryServer("directory", root)

    async def put(board_id: BoardId, name: str, content: bytes) -> str:
        write(root / str(board_id) / name, content)
        return name

    async def ghost(board_id: BoardId, upload: Upload) -> Item:
        [result] = await server.upload(board_id, [upload])
        item = stored(result)
        spoil(root / str(board_id) / item.item_id)
        return item

    async def edit(item: Item, content: bytes) -> None:
        path = root / str(item.board_id) / item.item_id
        path.unlink()
        write(path, content)

    return Kind(server, put, ghost, edit=edit, searches=False, stars=False)


async def send(server: DirectoryServer, upload: Upload, board_id: str = "board") -> Item:
    [result] = await server.upload(board_id, [upload])
    return stored(result)


async def listed(server: DirectoryServer, board_id: str = "board") -> list[str]:
    listing = await server.listing(board_id)
    assert listing.entries is not None
    return [entry.item_id for entry in listing.entries]


async def mark_of(server: DirectoryServer, item_id: str, board_id: str = "board") -> Mark | None:
    return (await server.marks(board_id, [item_id]))[item_id]


def failing_scandir(broken: str, code: int) -> Scandir:
    """List like the system does, except that one directory fails."""

    def scandir(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if path.rstrip("/").endswith(broken):
            raise OSError(code, os.strerror(code), path)
        return os.scandir(path)

    return scandir


def after_steps(piece: str, root: Path, options: list[str], every: int = 1) -> Iterator[Path]:
    """Disturb a piece of work before each of its file operations; give what is left each time.

    See `servers.directory.crash`. The last was not disturbed any more.
    every: disturb one operation in so many.
    """
    crash = [sys.executable, "-m", "servers.directory.crash"]
    command = [*crash, "steps", piece, str(root), *options, str(every)]
    subprocess.run(command, cwd=TESTS, timeout=120, check=True)
    left = sorted(root.iterdir())
    assert len(left) * every >= 8
    yield from left
