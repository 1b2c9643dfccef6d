"""Which boards a mirror looks at, told from the subfolders that are there."""

from __future__ import annotations

import os

from boardsync.engine.context import Mirror
from boardsync.errors import FolderAway
from boardsync.formats import is_supported_file
from boardsync.state import observations, places, transfers


def wanted_subfolders(mirror: Mirror) -> dict[bytes, bool]:
    """Return the subfolders that have a board, and whether each needs one.

    A board is needed for pictures, not for an empty folder that is about to get its name. One
    whose subfolder is gone is looked at while anything under way there has to come to its end.
    With one board for all there is just b"". Raises FolderAway.
    """
    if not mirror.layout.by_subfolder:
        return {b"": True}
    wanted = dict.fromkeys(_busy_subfolders(mirror), False)
    rules = mirror.rules()
    try:
        with mirror.disk.scandir(mirror.root) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name == mirror.layout.pull_into and _is_bound(mirror, b""):
                        wanted.setdefault(b"", False)
                    elif name != mirror.layout.pull_into and not rules.verdict(name, True):
                        wanted[name] = _holds_pictures(mirror, name)
                elif is_supported_file(name) and entry.is_file(follow_symlinks=False):
                    wanted[b""] = True
    except OSError as error:
        raise FolderAway(f"{os.fsdecode(mirror.root)}: {error.strerror}") from error
    return wanted


def _busy_subfolders(mirror: Mirror) -> list[bytes]:
    with mirror.state.read() as connection:
        busy = transfers.busy_boards(connection, mirror.number)
        bound = places.boards(connection, mirror.number) if busy else []
    return [board.subfolder for board in bound if board.id in busy]


def _is_bound(mirror: Mirror, subfolder: bytes) -> bool:
    with mirror.state.read() as connection:
        return places.board_for(connection, mirror.number, subfolder) is not None


def _holds_pictures(mirror: Mirror, subfolder: bytes) -> bool:
    with mirror.state.read() as connection:
        return observations.any_file_below(connection, mirror.number, subfolder)
