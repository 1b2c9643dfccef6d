"""The local trash: removed files, dated, outside what is watched, on the same filesystem.

A file goes there by a rename, so its bytes never travel, and it comes back the same way. The
caller records the place before the rename: a kill in between leaves the file in one of two
known places.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from boardsync.errors import FileChanging, FolderAway, NoRoom, Refused
from boardsync.files.disk import SYSTEM, Disk
from boardsync.files.durable import (
    make_directories,
    move_without_replacing,
    remove_if_there,
)
from boardsync.files.snapshot import digest_file
from boardsync.plan.names import numbered_path

NAME = b".boardsync-trash"
MOST_NUMBERS = 10_000


@dataclass(frozen=True, slots=True)
class LocalTrash:
    """The trash of one mirror. folder: what is watched. root: where its trash lies."""

    folder: bytes
    root: bytes
    disk: Disk = field(default=SYSTEM, repr=False, compare=False)

    def place_for(self, path: bytes, day: str) -> bytes:
        """Return a free place for a file, as an absolute path. Nothing is made.

        path: relative to the folder. day: such as 2026-01-31.
        """
        wanted = os.path.join(self.root, day.encode(), path)
        for number in range(1, MOST_NUMBERS):
            place = numbered_path(wanted, number)
            if not self.disk.lexists(place):
                return place
        raise Refused(f"{os.fsdecode(wanted)}: no free name in the trash")

    def put(self, path: bytes, digest: str, place: bytes) -> None:
        """Move a file to its place in the trash, if it still holds that picture.

        Repeating it after a kill is safe. Raises FileChanging when the file is another one by
        now, NoRoom, and FolderAway.
        """
        source = os.path.join(self.folder, path)
        if not self.disk.lexists(source) and holds(place, digest, self.disk):
            return
        _demand(source, digest, self.disk)
        _move(source, place, self.disk)
        if not holds(place, digest, self.disk):
            # Written to between the look and the rename: that content is nobody's to remove.
            _move(place, source, self.disk)
            raise FileChanging(f"{os.fsdecode(source)}: changed while it was moved")

    def take_out(self, place: bytes, digest: str, target: bytes) -> bytes:
        """Move a file from the trash to a path below the folder, or the next free name there.

        Returns the path, relative to the folder. Raises FileChanging when it is not in the
        trash any more, or not as it was put there.
        """
        for number in range(1, MOST_NUMBERS):
            path = numbered_path(target, number)
            absolute = os.path.join(self.folder, path)
            if not self.disk.lexists(place) and holds(absolute, digest, self.disk):
                return path
            _demand(place, digest, self.disk)
            try:
                _move(place, absolute, self.disk)
            except FileExistsError:
                continue
            self._tidy(place)
            return path
        raise Refused(f"{os.fsdecode(target)}: no free name after {MOST_NUMBERS} tries")

    def purge(self, place: bytes, digest: str) -> bool:
        """Delete a file from the trash for good, if it is the one that was put there."""
        if not place.startswith(self.root + b"/") or not holds(place, digest, self.disk):
            return False
        removed = remove_if_there(place, self.disk)
        self._tidy(place)
        return removed

    def _tidy(self, place: bytes) -> None:
        """Remove the directories that a file leaves empty, up to the root."""
        directory = os.path.dirname(place)
        while directory.startswith(self.root + b"/"):
            try:
                self.disk.rmdir(directory)
            except OSError:
                return
            directory = os.path.dirname(directory)


def open_trash(
    folder: bytes, configured: bytes | None, key: str, disk: Disk = SYSTEM
) -> LocalTrash:
    """Return the trash of a mirror's folder. Nothing is made until something goes there.

    configured: a place from the settings. Otherwise it is beside the folder, or hidden inside
    it where its parent is another filesystem or cannot be written to. key: the mirror's `id`.
    """
    own = key.encode("utf-8", "surrogateescape").replace(b"/", b"_")
    if configured is not None:
        return LocalTrash(folder, os.path.join(configured, own), disk)
    parent = os.path.dirname(disk.realpath(folder))
    beside = _same_filesystem(folder, parent, disk) and disk.access(parent, os.W_OK)
    return LocalTrash(folder, os.path.join(parent if beside else folder, NAME, own), disk)


def holds(path: bytes, digest: str, disk: Disk = SYSTEM) -> bool:
    """Tell whether a file is there and holds this picture."""
    try:
        return digest_file(path, disk)[0] == digest
    except (FileChanging, Refused):
        return False


def _demand(path: bytes, digest: str, disk: Disk) -> None:
    if not holds(path, digest, disk):
        raise FileChanging(f"{os.fsdecode(path)}: not the picture any more that was to be moved")


def _move(source: bytes, target: bytes, disk: Disk) -> None:
    try:
        make_directories(os.path.dirname(target), disk)
        move_without_replacing(source, target, disk)
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        raise FileChanging(f"{os.fsdecode(source)}: vanished before it was moved") from error
    except OSError as error:
        raise _in_words(error, target) from error


def _in_words(error: OSError, target: bytes) -> NoRoom | FolderAway:
    where = os.fsdecode(target)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"{where}: the disk is full; free some space")
    if error.errno == errno.EXDEV:
        return FolderAway(
            f"{where}: on another filesystem than the folder; set `trash.folder` to a place on"
            " the same one"
        )
    return FolderAway(f"{where}: cannot be written: {error.strerror}")


def _same_filesystem(one: bytes, other: bytes, disk: Disk) -> bool:
    try:
        return disk.stat(one).st_dev == disk.stat(other).st_dev
    except OSError:
        return False
