"""The disk that pictures lie on: the system calls that are made on folders, and nothing above.

Injected, like the clock and the servers, so that a simulation can own it: what is full, what is
refused, what a power cut takes. Whoever is given no disk uses the machine's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol, cast

from boardsync.errors import NoRoom
from boardsync.files.written import is_written

PathArg = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY})


class Entry(Protocol):
    """One name in a directory: what `os.scandir` gives."""

    @property
    def name(self) -> bytes:
        """The name, without its directory."""

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file."""

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory."""

    def is_symlink(self) -> bool:
        """Tell whether it is a symlink."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what it is like."""


Entries = AbstractContextManager[Iterator[Entry]]


class Disk(Protocol):
    """What is asked of a disk. Names and errors are those of the calls of the same name in `os`.

    Paths are absolute, and bytes wherever names come back.
    """

    def stat(self, path: PathArg, /) -> os.stat_result: ...
    def lstat(self, path: PathArg, /) -> os.stat_result: ...
    def lexists(self, path: PathArg, /) -> bool: ...
    def isdir(self, path: PathArg, /) -> bool: ...
    def realpath(self, path: bytes, /) -> bytes: ...
    def access(self, path: PathArg, mode: int, /) -> bool: ...
    def scandir(self, path: bytes, /) -> Entries: ...
    def open(self, path: PathArg, flags: int, mode: int = 0o777, /) -> int: ...
    def fdopen(self, fd: int, mode: str, /, *, closefd: bool = True) -> BinaryIO: ...
    def fstat(self, fd: int, /) -> os.stat_result: ...
    def readv(self, fd: int, buffers: Sequence[memoryview], /) -> int: ...
    def is_written(self, fd: int, /) -> bool:
        """Tell whether somebody has an open file open for writing, as far as that can be told."""

    def close(self, fd: int, /) -> None: ...
    def fsync(self, fd: int, /) -> None: ...
    def sync_stream(self, stream: BinaryIO, /) -> None:
        """Flush what was written to an open stream to the disk."""

    def mkdir(self, path: PathArg, /) -> None: ...
    def make_private(self, path: PathArg, /) -> None:
        """Let nobody but its owner into a directory, where the filesystem knows owners."""

    def rmdir(self, path: PathArg, /) -> None: ...
    def unlink(self, path: PathArg, /) -> None: ...
    def link(self, source: bytes, target: bytes, /) -> None: ...
    def replace(self, source: bytes, target: bytes, /) -> None: ...
    def rename_noreplace(self, source: bytes, target: bytes, /) -> bool:
        """Rename, never over anything. False where kernel, C library or filesystem lack it."""

    def room(self, path: PathArg, /) -> tuple[int, int]:
        """Return how many bytes are free for us on a directory's disk, and how many it has."""

    def chown(self, fd: int, user: int, group: int, /) -> None: ...
    def chmod(self, fd: int, mode: int, /) -> None: ...
    def set_times(self, path: PathArg, moment_ns: int, /) -> None: ...
    def getxattr(self, path: PathArg, name: str, /) -> bytes: ...
    def setxattr(self, path: PathArg, name: str, value: bytes, /) -> None: ...


class SystemDisk:
    """The machine's own disk. Symlinks are not followed, but by `stat` and `realpath`."""

    stat = staticmethod(os.stat)
    lstat = staticmethod(os.lstat)
    lexists = staticmethod(os.path.lexists)
    isdir = staticmethod(os.path.isdir)
    access = staticmethod(os.access)
    open = staticmethod(os.open)
    fstat = staticmethod(os.fstat)
    readv = staticmethod(os.readv)
    is_written = staticmethod(is_written)
    close = staticmethod(os.close)
    fsync = staticmethod(os.fsync)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    replace = staticmethod(os.replace)
    chown = staticmethod(os.fchown)
    chmod = staticmethod(os.fchmod)

    def realpath(self, path: bytes) -> bytes:
        return os.path.realpath(path)

    def scandir(self, path: bytes) -> Entries:
        return os.scandir(path)

    def fdopen(self, fd: int, mode: str, *, closefd: bool = True) -> BinaryIO:
        return cast("BinaryIO", os.fdopen(fd, mode, closefd=closefd))

    def sync_stream(self, stream: BinaryIO) -> None:
        stream.flush()
        os.fsync(stream.fileno())

    def link(self, source: bytes, target: bytes) -> None:
        os.link(source, target, follow_symlinks=False)

    def rename_noreplace(self, source: bytes, target: bytes) -> bool:
        if _LIBC_RENAMEAT2 is None:
            return False
        if _LIBC_RENAMEAT2(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE) == 0:
            return True
        code = ctypes.get_errno()
        if code in _UNSUPPORTED:
            return False
        raise OSError(code, os.strerror(code), os.fsdecode(source), None, os.fsdecode(target))

    def make_private(self, path: PathArg) -> None:
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)

    def room(self, path: PathArg) -> tuple[int, int]:
        told = os.statvfs(path)
        return told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize

    def set_times(self, path: PathArg, moment_ns: int) -> None:
        os.utime(path, ns=(moment_ns, moment_ns))

    def getxattr(self, path: PathArg, name: str) -> bytes:
        return os.getxattr(path, name, follow_symlinks=False)

    def setxattr(self, path: PathArg, name: str, value: bytes) -> None:
        os.setxattr(path, name, value)


def _load_renameat2() -> ctypes._NamedFuncPointer | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_uint,
        )
    return function


_LIBC_RENAMEAT2 = _load_renameat2()

SYSTEM: Disk = SystemDisk()
"""The machine's own disk."""


def no_room(error: OSError, path: PathArg) -> NoRoom | None:
    """Return in words that a disk is full, where that is what kept a file from being written."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return NoRoom(f"{os.fsdecode(path)}: the disk is full; free some space")


def files_below(disk: Disk, directory: bytes) -> Iterator[bytes]:
    """Yield the paths of all regular files below a directory. What cannot be listed has none."""
    waiting = [directory]
    while waiting:
        here = waiting.pop()
        try:
            with disk.scandir(here) as entries:
                found = [(one.name, one.is_dir(follow_symlinks=False)) for one in entries]
        except OSError:
            continue
        waiting += [os.path.join(here, name) for name, is_directory in found if is_directory]
        yield from (os.path.join(here, name) for name, is_directory in found if not is_directory)
