"""Reading a file once, and knowing that it stood still meanwhile.

What is hashed, checked, prepared and sent is one snapshot: a second reading could be another
picture. Symlinks are never followed and nothing but regular files is opened for reading.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from boardsync.errors import FileChanging, FileUnreadable, PictureRefused
from boardsync.files.disk import SYSTEM, Disk, PathArg
from boardsync.model import FileStat

_CHUNK = 1 << 20
NOT_ALLOWED = "may not be read: permission denied"
"""The one reason for refusing a file that can pass although the file stays as it is."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file's bytes at one moment, with what `stat` said before and after reading them."""

    content: bytes = field(repr=False)
    stat: FileStat
    digest: str


def stat_of(result: os.stat_result) -> FileStat:
    """Reduce a stat result to what an observation keeps."""
    return FileStat(
        result.st_size,
        fitting(result.st_mtime_ns),
        fitting(result.st_ctime_ns),
        signed(result.st_ino),
    )


def fitting(moment_ns: int) -> int:
    """Keep a moment within 64 bits of nanoseconds, that is between 1677 and 2262.

    A file may claim any year; what does not fit would fit no database either.
    """
    return max(-(1 << 63), min((1 << 63) - 1, moment_ns))


def signed(inode: int) -> int:
    """Return an inode's number as a database holds it, where 64 bits have a sign.

    Network filesystems and those that unite others give numbers that need all 64.
    """
    return inode if inode < 1 << 63 else inode - (1 << 64)


def digest_file(
    path: PathArg, disk: Disk = SYSTEM, *, let_go: bool = False
) -> tuple[str, FileStat]:
    """Hash a file in constant memory. let_go: no writer may have it open any more.

    Raises FileChanging when it did not stand still, FileUnreadable when its disk fails.
    """
    with _opened(path, disk) as (fd, before):
        if let_go:
            _require_let_go(fd, path, disk)
        sha, size = hashlib.sha256(), 0
        buffer = memoryview(bytearray(_CHUNK))
        while count := disk.readv(fd, [buffer]):
            sha.update(buffer[:count])
            size += count
        _require_unchanged(fd, before, path, disk)
    _require_size(size, before, path)
    return sha.hexdigest(), before


def read_snapshot(
    path: PathArg, max_bytes: int, disk: Disk = SYSTEM, *, let_go: bool = False
) -> Snapshot:
    """Read a whole file. let_go: no writer may have it open any more.

    Raises FileChanging when it changes or vanishes under our hands, and PictureRefused when it
    is larger than `max_bytes`, is no regular file, or may not be read.
    """
    with _opened(path, disk) as (fd, before):
        if before.size > max_bytes:
            raise PictureRefused(
                f"larger than allowed: {before.size} bytes, the limit is {max_bytes} (max_bytes)"
            )
        if let_go:
            _require_let_go(fd, path, disk)
        with disk.fdopen(fd, "rb", closefd=False) as stream:
            content = stream.read(before.size + 1)
        _require_unchanged(fd, before, path, disk)
    _require_size(len(content), before, path)
    return Snapshot(content, before, hashlib.sha256(content).hexdigest())


@contextmanager
def reading(path: PathArg, disk: Disk = SYSTEM) -> Iterator[BinaryIO]:
    """Open a regular file to read parts of it. Raises as `read_snapshot` does."""
    with _opened(path, disk) as (fd, _), disk.fdopen(fd, "rb", closefd=False) as stream:
        yield stream


@contextmanager
def _opened(path: PathArg, disk: Disk) -> Iterator[tuple[int, FileStat]]:
    """Open a regular file without following a last symlink or waiting for a FIFO's writer."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = disk.open(path, flags)
    except FileNotFoundError as error:
        raise FileChanging(f"{os.fsdecode(path)}: vanished before it was read") from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PictureRefused(NOT_ALLOWED) from error
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise PictureRefused("not a regular file") from error
        raise _unreadable(path, error) from error
    try:
        result = disk.fstat(fd)
        if not stat.S_ISREG(result.st_mode):
            raise PictureRefused("not a regular file")
        yield fd, stat_of(result)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        disk.close(fd)


def _unreadable(path: PathArg, error: OSError) -> FileUnreadable:
    return FileUnreadable(os.fsdecode(path), f"cannot be read: {error.strerror or error}")


def _require_let_go(fd: int, path: PathArg, disk: Disk) -> None:
    if disk.is_written(fd):
        raise FileChanging(f"{os.fsdecode(path)}: a program still has it open for writing")


def _require_unchanged(fd: int, before: FileStat, path: PathArg, disk: Disk) -> None:
    if stat_of(disk.fstat(fd)) != before:
        raise FileChanging(f"{os.fsdecode(path)}: changed while it was read")


def _require_size(size: int, before: FileStat, path: PathArg) -> None:
    """Check what was read against what `stat` said: times are too coarse to tell it all."""
    if size != before.size:
        raise FileChanging(f"{os.fsdecode(path)}: its length changed while it was read")
