"""Tells whether the disk that pictures are pulled to has as much room as is to stay free."""

from __future__ import annotations

import os

from boardsync.config.limits import Floor
from boardsync.files.disk import SYSTEM, Disk

_MIB = 1024**2


def find_shortage(
    root: bytes, directory: bytes, floor: Floor | None, disk: Disk = SYSTEM
) -> str | None:
    """Say what is missing where pictures are to go, None where nothing is. Does I/O.

    directory: below the mirror's root; it need not be there yet. A disk that cannot be asked has
    room: the download itself meets what is wrong with it.
    """
    if floor is None:
        return None
    try:
        place, free, total = _room_around(os.path.join(root, directory), disk)
    except OSError:
        return None
    wanted = floor.of(total)
    if free >= wanted:
        return None
    return (
        f"{os.fsdecode(place)}: only {free // _MIB} MiB of the disk are free, and"
        f" {wanted // _MIB} MiB are to stay so (`limits.free_disk`); downloads wait for room"
    )


def _room_around(place: bytes, disk: Disk) -> tuple[bytes, int, int]:
    """Return the first directory, from a place upwards, that is there: its path and its room."""
    while True:
        try:
            return (place, *disk.room(place))
        except (FileNotFoundError, NotADirectoryError):
            if place == os.path.dirname(place):
                raise
            place = os.path.dirname(place)
