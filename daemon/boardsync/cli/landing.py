"""The last step of a download to a file: never over something that a person would miss.

Fetched bytes lie whole in a temporary file beside their place. What has the name already is
left alone, unless it is the torn beginning of the very same bytes.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import BinaryIO, Final

from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.durable import fsync_directory, move_without_replacing
from boardsync.files.snapshot import read_snapshot
from boardsync.formats.whole import check

CHUNK: Final = 1 << 20
MOST_BYTES: Final = 512 << 20
"""Beyond it a file is not read to see whether it is a picture."""


class Landing(Enum):
    """What became of fetched bytes."""

    PLACED = "they have their name now"
    SAME = "the same bytes were there"
    OTHER = "something else was there, and stays"


def is_whole_picture(path: str, size: tuple[int | None, int | None] | None) -> bool:
    """Tell whether a file is a complete picture, of this width and height where given."""
    try:
        content = read_snapshot(path, MOST_BYTES).content
    except (FileChanging, PictureRefused):
        return False
    verdict = check(content)
    return verdict.whole and size in (None, (verdict.width, verdict.height))


def land(temporary: bytes, path: str, *, force: bool) -> Landing:
    """Give fetched bytes their name; durable on return. force: replace whatever has it.

    Without force, only an incomplete copy of the same bytes is replaced. The temporary
    file is gone after PLACED only. Raises OSError.
    """
    if force:
        return _replace(temporary, path)
    try:
        move_without_replacing(temporary, path)
    except FileExistsError:
        return _beside(temporary, path)
    return Landing.PLACED


def _beside(temporary: bytes, path: str) -> Landing:
    """Decide about a name that is taken."""
    if os.path.islink(path) or not os.path.isfile(path):
        return Landing.OTHER
    there, fetched = os.path.getsize(path), os.path.getsize(temporary)
    if there > fetched:
        return Landing.OTHER
    with open(path, "rb") as old, open(temporary, "rb") as new:
        if not _begins_with(new, old):
            return Landing.OTHER
    return Landing.SAME if there == fetched else _replace(temporary, path)


def _begins_with(long: BinaryIO, short: BinaryIO) -> bool:
    while part := short.read(CHUNK):
        if long.read(len(part)) != part:
            return False
    return True


def _replace(temporary: bytes, path: str) -> Landing:
    os.replace(temporary, path)
    fsync_directory(os.path.dirname(path) or ".")
    return Landing.PLACED
