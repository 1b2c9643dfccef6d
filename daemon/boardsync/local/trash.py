"""The local trash: removed files, dated, outside what is watched, on the same filesystem.

A file goes there by a rename, so its bytes never travel, and it comes back the same way. The
caller records the place before the rename: a kill in between leaves the file in one of two
known places. A file's sidecars go where it goes.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from boardsync.errors import FileChanging, FolderAway, NoRoom, Refused
from boardsync.files.disk import SYSTEM, Disk, no_room
from boardsync.files.durable import (
    make_durable_directory,
    move_without_replacing,
    remove_if_there,
    settle_name,
)
from boardsync.files.sidecars import follow, remove_sidecars
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
    _durable: set[bytes] = field(default_factory=set, init=False, repr=False, compare=False)

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
            settle(place, self._top, self.disk)
            follow(source, place, self.disk)
            return
        _demand(source, digest, self.disk)
        self._move(source, place, self._top)
        if not holds(place, digest, self.disk):
            # Written to between the look and the rename: that content is nobody's to remove.
            self._move(place, source, self.folder)
            raise FileChanging(f"{os.fsdecode(source)}: changed while it was moved")
        follow(source, place, self.disk)

    def take_out(self, place: bytes, digest: str, target: bytes) -> bytes:
        """Move a file from the trash to a path below the folder, or the next free name there.

        Returns the path, relative to the folder. Raises FileChanging when it is not in the
        trash any more, or not as it was put there.
        """
        for number in range(1, MOST_NUMBERS):
            path = numbered_path(target, number)
            absolute = os.path.join(self.folder, path)
            if not self.disk.lexists(place) and holds(absolute, digest, self.disk):
                settle(absolute, self.folder, self.disk)
                follow(place, absolute, self.disk)
                return path
            _demand(place, digest, self.disk)
            try:
                self._move(place, absolute, self.folder)
            except FileExistsError:
                continue
            follow(place, absolute, self.disk)
            self._tidy(place)
            return path
        raise Refused(f"{os.fsdecode(target)}: no free name after {MOST_NUMBERS} tries")

    def purge(self, place: bytes, digest: str) -> bool:
        """Delete a file from the trash for good, if it is the one that was put there."""
        if not place.startswith(self.root + b"/") or not holds(place, digest, self.disk):
            return False
        removed = remove_if_there(place, self.disk)
        remove_sidecars(place, self.disk)
        self._tidy(place)
        return removed

    @property
    def _top(self) -> bytes:
        """The directory that `.boardsync-trash` lies in, or the one above a configured place."""
        return os.path.dirname(os.path.dirname(self.root))

    def _move(self, source: bytes, target: bytes, top: bytes) -> None:
        """Rename a file into a directory that is made where it is missing. top: see `settle`."""
        try:
            if target.startswith(self.root + b"/"):
                self._make_root(top)
            make_durable_directory(os.path.dirname(target), top, self._durable, self.disk)
            move_without_replacing(source, target, self.disk)
        except FileExistsError:
            raise
        except FileNotFoundError as error:
            raise FileChanging(f"{os.fsdecode(source)}: vanished before it was moved") from error
        except OSError as error:
            raise _in_words(error, target) from error

    def _make_root(self, top: bytes) -> None:
        """Make the trash where it is missing, for its owner alone. Raises as `_move`.

        What leads elsewhere without the settings' saying so is not followed.
        """
        above = os.path.dirname(self.root)
        for one in (above, self.root) if os.path.basename(above) == NAME else (self.root,):
            if self.disk.lexists(one) and stat.S_ISLNK(self.disk.lstat(one).st_mode):
                raise FolderAway(
                    f"{os.fsdecode(one)}: a symlink; remove it, or name another place with"
                    " `trash.folder`"
                )
        if not self.disk.isdir(self.root):
            make_durable_directory(self.root, top, self._durable, self.disk)
            self.disk.make_private(self.root)

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
    """Tell whether a file is there and holds this picture, as far as it can be read now."""
    try:
        return surely_holds(path, digest, disk)
    except FolderAway:
        return False


def surely_holds(path: bytes, digest: str, disk: Disk = SYSTEM) -> bool:
    """Tell the same. Raises FolderAway where a disk's failure leaves it open."""
    try:
        return digest_file(path, disk)[0] == digest
    except FileChanging as error:
        failure = error.__cause__
        if failure is None or isinstance(failure, FileNotFoundError):
            return False
        raise FolderAway(str(error)) from error
    except Refused:
        return False


def _demand(path: bytes, digest: str, disk: Disk) -> None:
    if not holds(path, digest, disk):
        raise FileChanging(f"{os.fsdecode(path)}: not the picture any more that was to be moved")


def settle(path: bytes, top: bytes, disk: Disk) -> None:
    """Make the name of a file durable that was found where a kill may have left it.

    top: the directory above which everything is durable. Raises NoRoom and FolderAway.
    """
    try:
        settle_name(path, top, disk)
    except OSError as error:
        raise _in_words(error, path) from error


def _in_words(error: OSError, target: bytes) -> NoRoom | FolderAway:
    where = os.fsdecode(target)
    full = no_room(error, target)
    if full is not None:
        return full
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
