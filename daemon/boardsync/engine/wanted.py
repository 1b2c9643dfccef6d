"""Which boards a mirror looks at, told from the subfolders that are there."""

from __future__ import annotations

import os
from enum import Enum, auto

from boardsync.engine.context import Mirror
from boardsync.errors import FolderAway
from boardsync.formats import is_supported_file
from boardsync.state import links, observations, places, transfers


class Want(Enum):
    """What a subfolder's board is looked at for.

    PICTURES: without it, they could not be mirrored. FOLDER: an empty folder, which may be about
    to get its name. REST: the subfolder is gone, and what is linked or under way has to come to
    its end; nothing new is fetched from there.
    """

    PICTURES = auto()
    FOLDER = auto()
    REST = auto()


def wanted_subfolders(mirror: Mirror) -> dict[bytes, Want]:
    """Return the subfolders whose boards are looked at. Raises FolderAway.

    With one board for all there is just b"".
    """
    if not mirror.layout.by_subfolder:
        return {b"": Want.PICTURES}
    wanted: dict[bytes, Want] = {}
    there = set[bytes]()
    rules = mirror.rules()
    try:
        with mirror.disk.scandir(mirror.root) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    there.add(name)
                    if name == mirror.layout.pull_into and _is_bound(mirror, b""):
                        wanted.setdefault(b"", Want.FOLDER)
                    elif name != mirror.layout.pull_into and not rules.verdict(name, True):
                        held = _holds_pictures(mirror, name)
                        wanted[name] = Want.PICTURES if held else Want.FOLDER
                elif is_supported_file(name) and entry.is_file(follow_symlinks=False):
                    wanted[b""] = Want.PICTURES
    except OSError as error:
        raise FolderAway(f"{os.fsdecode(mirror.root)}: {error.strerror}") from error
    return dict.fromkeys(_unfinished(mirror, there), Want.REST) | wanted


def _unfinished(mirror: Mirror, there: set[bytes]) -> list[bytes]:
    """Return the subfolders whose boards have something under way, or links to files that are gone.

    there: those that are there. Of a rule that hides one, nothing is to be decided. Nor is it
    where a board is gone as well, or was another setting's.
    """
    with mirror.state.read() as connection:
        busy = transfers.busy_boards(connection, mirror.number)
        gone = links.boards_with_files_gone(connection, mirror.number)
        if not (busy or gone):
            return []
        return [
            board.subfolder for board in places.boards(connection, mirror.number)
            if board.id in busy
            or (
                board.id in gone and board.subfolder not in there
                and board.missing_since_ms is None
                and board.asked == mirror.board_name(board.subfolder)
            )
        ]  # fmt: skip


def _is_bound(mirror: Mirror, subfolder: bytes) -> bool:
    with mirror.state.read() as connection:
        return places.board_for(connection, mirror.number, subfolder) is not None


def _holds_pictures(mirror: Mirror, subfolder: bytes) -> bool:
    with mirror.state.read() as connection:
        return observations.any_file_below(connection, mirror.number, subfolder)
