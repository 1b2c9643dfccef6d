"""Follows renamed subfolders: the board that we made for one gets its new name.

Found by the directory itself, before the folder is walked: nothing is hashed or sent again,
and each item stays where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import Missing, Refused
from boardsync.model import Board
from boardsync.state import moves, places, runs, subfolders
from boardsync.state.records import BoardRecord

CAUSE = "a folder was renamed"

log = structlog.get_logger(__name__)


async def follow_folders(mirror: Mirror) -> bool:
    """Rename boards whose subfolder was renamed. Returns whether any was.

    Where it cannot be done, because the server has another board of that name, nothing is lost:
    the items move one by one then. Raises TryAgain and NotAuthorised: until it is known whether a
    board was renamed, its new name must not be taken for another board's.
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
        if there.get(subfolder) == folder or folder not in names:
            continue
        # Where another directory has the old name, a number that was given anew could deceive us.
        anew = subfolder not in there
        renamed |= await _follow(mirror, bound[subfolder], names[folder], anew=anew)
    await _remember(mirror, there, before)
    return renamed


async def remember_folders(mirror: Mirror) -> None:
    """Record which directories the subfolders of new boards are. To be done with each new board."""
    if not (mirror.layout.by_subfolder and mirror.settings.direction.pushes):
        return
    with mirror.state.read() as connection:
        before = subfolders.folders(connection, mirror.number)
    await _remember(mirror, await asyncio.to_thread(_directories, mirror), before)


async def _follow(mirror: Mirror, board: BoardRecord, subfolder: bytes, *, anew: bool) -> bool:
    """Give a board its folder's name. anew: if not, only where a lost answer has done it before."""
    name = subfolder.decode(errors="backslashreplace")
    if not (board.made_by_us and mirror.server.capabilities.renames_boards and board.server_id):
        return False
    try:
        boards = await mirror.server.boards()
        taken, done = _is_taken(boards, board, name), _is_done(boards, board, name)
        if taken or (not done and (not anew or _is_gone(boards, board))):
            return False
        renamed = await mirror.server.rename_board(board.server_id, name)
    except (Missing, Refused) as error:
        log.warning("the board of a renamed folder keeps its name", board=name, error=str(error))
        return False
    await mirror.state.write(
        partial(_note_renamed, mirror=mirror, board=board, subfolder=subfolder, renamed=renamed)
    )
    log.info("board renamed with its folder", before=board.name, board=name)
    return True


def _is_taken(there: Sequence[Board], board: BoardRecord, name: str) -> bool:
    """Tell whether another board has the name. Ours has it when an answer was lost."""
    named = {one.board_id for one in there if one.name == name}
    ours_is_there = any(one.board_id == board.server_id for one in there)
    return ours_is_there and bool(named) and board.server_id not in named


def _is_gone(there: Sequence[Board], board: BoardRecord) -> bool:
    """Tell whether the board was deleted: it has no name that could follow its folder."""
    return all(one.board_id != board.server_id for one in there)


def _is_done(there: Sequence[Board], board: BoardRecord, name: str) -> bool:
    """Tell whether our board has the name already; where ids are names, its own is gone then."""
    ours = next((one for one in there if one.board_id == board.server_id), None)
    return ours.name == name if ours else any(one.name == name for one in there)


def _note_renamed(
    c: Connection, *, mirror: Mirror, board: BoardRecord, subfolder: bytes, renamed: Board
) -> None:
    """Record a renaming, as a run of its own."""
    moment = now_ms(mirror.clock)
    subfolders.rename(c, board.id, subfolder, renamed.name, renamed.board_id)
    run = runs.begin(c, mirror.number, CAUSE, moment)
    moves.add(
        c, moment, mirror=mirror.number, run=run, what=moves.BOARD, link=None,
        path_before=board.subfolder, path_after=subfolder, board_before=board.id,
        board_after=board.id, item_before=board.name, item_after=renamed.name,
    )  # fmt: skip
    runs.count(c, run, moment, planned=1, moved=1)


async def _remember(mirror: Mirror, there: dict[bytes, str], before: dict[bytes, str]) -> None:
    """Record which directory each subfolder is, where that has changed."""
    with mirror.state.read() as connection:
        bound = {one.subfolder for one in places.boards(connection, mirror.number)}
    changed = {
        subfolder: there[subfolder] for subfolder in bound & there.keys()
        if before.get(subfolder) != there[subfolder]
    }  # fmt: skip
    if changed:
        await mirror.state.write(lambda c: subfolders.note_folders(c, mirror.number, changed))


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
