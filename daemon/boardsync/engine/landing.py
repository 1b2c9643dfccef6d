"""Temporary files that downloads land in, until they are whole and durable."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from boardsync.engine.context import Mirror
from boardsync.errors import BoardsyncError, FolderAway
from boardsync.files.disk import no_room
from boardsync.files.durable import sync_and_close
from boardsync.files.origin import Origin, write_origin
from boardsync.local.root import open_root
from boardsync.model import Item
from boardsync.state import places


@dataclass(frozen=True, slots=True)
class Landed:
    """Bytes that lie whole and durable in the temporary file. width, height: 0 when not known."""

    digest: str
    temporary: bytes
    width: int = 0
    height: int = 0


def open_temporary(mirror: Mirror, path: bytes) -> Any:
    """Open a temporary file for writing, with its folders. Raises FolderAway or NoRoom."""
    disk = mirror.disk
    _require_the_known_folder(mirror)
    try:
        mirror.make_directory_to_pull(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return disk.fdopen(disk.open(path, flags, mirror.ownership.first_mode), "w+b")
    except OSError as error:
        raise disk_error(error, path) from error


def _require_the_known_folder(mirror: Mirror) -> None:
    """Raise FolderAway where the last walk went through another folder.

    What is written to a bare mount point is gone, and looks deleted, once its disk is back.
    """
    there = open_root(mirror.root, mirror.disk)
    with mirror.state.read() as connection:
        known = places.root_identity(connection, mirror.number)
    if known not in (None, "", there.recorded):
        raise FolderAway(
            f"{os.fsdecode(mirror.root)}: another folder than the one that was looked at last"
        )


def finish_temporary(
    mirror: Mirror, stream: Any, path: bytes, item: Item, digest: str
) -> None:  # fmt: skip
    """Note in the file whose picture it is, and make it durable; closes it. Raises OSError."""
    disk, board = mirror.disk, item.board_id or ""
    write_origin(path, Origin(item.item_id, item.version, mirror.key, board), digest, disk)
    mirror.ownership.give_file(stream.fileno(), disk)
    sync_and_close(stream, disk)
    if item.created_ms is not None:
        disk.set_times(path, item.created_ms * 1_000_000)


def disk_error(error: OSError, path: bytes) -> BoardsyncError:
    """Return what kept a file from being written as an error of ours."""
    words = f"{os.fsdecode(path)}: cannot be written: {error.strerror}"
    return no_room(error, path) or FolderAway(words)
