"""Follows renamed subfolders: the board that we made for one gets its new name.

Found by the directory itself, before the folder is walked: nothing is hashed or sent again,
and each item stays where it is.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from boardsync.engine.context import Mirror
from boardsync.errors import BoardsyncError
from boardsync.state import places, subfolders
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)


async def follow_folders(mirror: Mirror) -> bool:
    """Rename boards whose subfolder was renamed. Returns whether any was.

    Where it cannot be done, because the server is away or has a board of that name, nothing is
    lost: the items move one by one then.
    """
    if not (mirror.layout.by_subfolder and mirror.settings.direction.pushes):
        return False
    there = await asyncio.to_thread(_directories, mirror)
    with mirror.state.read() as connection:
        before = subfolders.folders(connection, mirror.number)
        bound = {one.subfolder: one for one in places.boards(connection, mirror.number)}
    renamed = False
    names = {folder: name for name, folder in there.items() if name not in bound}
    for subfolder, folder in before.items():
        if subfolder in there or folder not in names:
            continue
        renamed |= await _follow(mirror, bound[subfolder], names[folder])
    await _remember(mirror, there, before)
    return renamed


async def _follow(mirror: Mirror, board: BoardRecord, subfolder: bytes) -> bool:
    name = subfolder.decode(errors="backslashreplace")
    if not (board.made_by_us and mirror.server.capabilities.renames_boards and board.server_id):
        return False
    try:
        if any(one.name == name for one in await mirror.server.boards()):
            return False
        renamed = await mirror.server.rename_board(board.server_id, name)
    except BoardsyncError as error:
        log.warning("the board of a renamed folder keeps its name", board=name, error=str(error))
        return False
    await mirror.state.write(
        partial(
            subfolders.rename,
            number=board.id,
            subfolder=subfolder,
            name=name,
            server_id=renamed.board_id,
        )
    )
    log.info("board renamed with its folder", before=board.name, board=name)
    return True


async def _remember(mirror: Mirror, there: dict[bytes, str], before: dict[bytes, str]) -> None:
    """Record which directory each subfolder is, where that has changed."""
    with mirror.state.read() as connection:
        bound = {one.subfolder for one in places.boards(connection, mirror.number)}
    for subfolder in sorted(bound & there.keys()):
        if before.get(subfolder) != there[subfolder]:
            await mirror.state.write(
                partial(
                    subfolders.note_folder, mirror=mirror.number, subfolder=subfolder,
                    folder=there[subfolder],
                )
            )  # fmt: skip


def _directories(mirror: Mirror) -> dict[bytes, str]:
    """Return the subfolders and which directories they are; none when the folder is away."""
    try:
        with mirror.disk.scandir(mirror.root) as entries:
            return {
                entry.name: f"{found.st_dev}:{found.st_ino}"
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and (found := entry.stat(follow_symlinks=False))
            }
    except OSError:
        return {}
