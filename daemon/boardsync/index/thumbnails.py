"""Keeps thumbnails: a file for each, in a directory that is bounded in bytes and in age.

Any number of processes share it. A thumbnail is there whole or not at all, whoever is killed;
what all of them weigh is counted under a lock, so the bound holds however many there are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from boardsync.errors import FileChanging, Missing, NoRoom, TryAgain
from boardsync.files.disk import SYSTEM, files_below
from boardsync.files.durable import (
    TEMP_PREFIX,
    make_directories,
    remove_abandoned,
    remove_if_there,
    write_atomically,
)
from boardsync.files.snapshot import read_snapshot, stat_of
from boardsync.index.records import may_hide_a_change
from boardsync.model import FileStat
from boardsync.picture.thumbnail import LIMITS, RECIPE, thumbnail

EDGE: Final = 256
MOST_EDGE: Final = 2048
_USED_SECONDS: Final = 3600.0
"""A use is noted again after so long: looking must not cost a write each time."""
_SWEEP_SECONDS: Final = 3600.0
_ROOM: Final = 0.9
"""What is left of the bound when there was too much: the next one is not to sweep again."""
_DOUBTED: Final = 0.0
"""The time of a use that says: made so soon after the picture changed that it may have again."""
_TALLY: Final = "tally"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A thumbnail that is there. used: when it was last looked at, in seconds."""

    path: bytes
    bytes: int
    used: float


class Thumbnails:
    """The thumbnails in one directory, which holds nothing else.

    most: bytes. keep: seconds since they were last looked at; None for ever.
    """

    def __init__(
        self, folder: Path, most: int, keep: float | None, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._most = most
        self._keep = keep
        self._now = now

    def path(self, picture: str | bytes | os.PathLike[str], edge: int = EDGE) -> Path:
        """Return the file that holds the thumbnail of a picture; it is made if need be.

        It may be swept away at any time, but not by its own making: open it at once. Raises
        Missing, PictureRefused and TryAgain, and NoRoom.
        """
        if not 1 <= edge <= MOST_EDGE:
            raise ValueError(f"a thumbnail of {edge} pixels; 1 to {MOST_EDGE} can be had")
        path, seen = _look(os.fsencode(picture))
        kept = self._place(path, seen, edge)
        if self._use(kept):
            return kept
        try:
            snapshot = read_snapshot(path, LIMITS.max_bytes)
        except FileChanging as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise _missing(path) from error
            raise
        doubted = may_hide_a_change(snapshot.stat, time.time_ns())
        content = thumbnail(snapshot.content, edge)
        kept = self._place(path, snapshot.stat, edge)
        self._put(kept, content, lasting=not doubted)
        return kept

    def sweep(self) -> int:
        """Remove what is too old or too much, now; return how many bytes are left."""
        with self._told(), self._tally() as tally:
            return self._sweep(tally)

    def _place(self, path: bytes, seen: FileStat, edge: int) -> Path:
        """Return where the thumbnail of a file as it was seen is kept: another for each version."""
        version = (seen.size, seen.mtime_ns, seen.ctime_ns, seen.inode)
        key = f"{RECIPE} {edge} {version} ".encode() + path
        name = hashlib.sha256(key).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}.webp"

    def _use(self, kept: Path) -> bool:
        """Tell whether a thumbnail is there, and note that it was looked at."""
        try:
            used = kept.stat().st_mtime
            if used == _DOUBTED:
                return False
            if self._now() - used >= _USED_SECONDS or used > self._now():
                os.utime(kept, (self._now(), self._now()))
        except OSError:
            return False
        return True

    def _put(self, kept: Path, content: bytes, *, lasting: bool) -> None:
        """Keep a thumbnail. lasting: its picture cannot have changed since without showing it."""
        with self._told(), self._tally() as tally:
            make_directories(kept.parent)
            write_atomically(kept, content, 0o600)
            used = self._now() if lasting else _DOUBTED
            os.utime(kept, (used, used))
            tally.add(len(content))
            if tally.bytes > self._most or self._now() - tally.swept >= _SWEEP_SECONDS:
                self._sweep(tally, spare=os.fsencode(kept))

    def _sweep(self, tally: _Tally, spare: bytes = b"") -> int:
        """Remove what is too old, and the longest unused while there is too much."""
        kept = sorted(_kept_below(self._folder), key=lambda one: (one.path == spare, one.used))
        total = sum(one.bytes for one in kept)
        most = self._most if total <= self._most else self._most * _ROOM
        oldest = 0.0 if self._keep is None else self._now() - self._keep
        for one in kept:
            if one.path != spare and (total > most or one.used < oldest):
                remove_if_there(one.path)
                total -= one.bytes
        tally.set(total, self._now())
        return total

    @contextlib.contextmanager
    def _tally(self) -> Iterator[_Tally]:
        """Give what all thumbnails weigh, while nobody else changes it."""
        make_directories(self._folder)
        SYSTEM.make_private(self._folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._folder / _TALLY, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield _Tally(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            words = f"{self._folder}: a thumbnail cannot be kept there ({error.strerror})"
            raise NoRoom(f"{words}; let `thumbnails.folder` name another place") from error


class _Tally:
    """What the thumbnails weigh together, and when they were last counted. It holds the lock."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            bytes_, swept = os.pread(fd, 100, 0).split()
            self.bytes, self.swept = int(bytes_), float(swept)
        except ValueError:
            self.bytes, self.swept = 0, 0.0  # never counted

    def add(self, count: int) -> None:
        self.set(self.bytes + count, self.swept)

    def set(self, count: int, swept: float) -> None:
        self.bytes, self.swept = count, swept
        content = f"{count} {swept:.0f}\n".encode()
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))


def _kept_below(folder: Path) -> Iterator[_Kept]:
    """Yield the thumbnails; remove what a kill has left of one that was being written."""
    for path in files_below(SYSTEM, os.fsencode(folder)):
        name = os.path.basename(path)
        if name.startswith(TEMP_PREFIX):
            remove_abandoned(path)
        elif name.endswith(b".webp"):
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                yield _Kept(path, found.st_size, found.st_mtime)


def _look(picture: bytes) -> tuple[bytes, FileStat]:
    """Return a picture's own path, through symlinks, and what it is like. Raises as promised."""
    path = picture
    try:
        path = os.path.realpath(picture)
        return path, stat_of(os.lstat(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path) from error
    except ValueError as error:
        raise Missing(f"{os.fsdecode(picture)!r}: no file can have this name") from error
    except OSError as error:
        raise TryAgain(f"{os.fsdecode(path)}: cannot be looked at: {error.strerror}") from error


def _missing(path: bytes) -> Missing:
    return Missing(f"{os.fsdecode(path)}: there is no such file")
