"""Writing that survives a power cut, and renames that never replace.

Every function takes absolute paths as bytes or `os.PathLike`, and raises OSError as it comes:
the callers know what the path means to a person.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from typing import BinaryIO

from boardsync.files.disk import SYSTEM, Disk, PathArg

TEMP_PREFIX = b".boardsync-tmp-"
"""Every temporary file of ours begins so: ignored by the scan, swept when it is stale."""

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})


def fsync_directory(path: PathArg, disk: Disk = SYSTEM) -> None:
    """Make the names in a directory durable.

    Some network filesystems refuse to sync a directory (EINVAL); they have nothing to sync.
    """
    fd = disk.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        disk.close(fd)


def temp_path(directory: PathArg) -> bytes:
    """Return a fresh name for a temporary file in `directory`. Nothing is created."""
    return os.path.join(os.fsencode(directory), TEMP_PREFIX + secrets.token_hex(8).encode())


def create_temp(directory: PathArg, mode: int = 0o666) -> tuple[BinaryIO, bytes]:
    """Create and open a temporary file in `directory`. `mode` is subject to the umask.

    While the stream is open, `remove_abandoned` knows that the file is somebody's, so let it be
    open until the file has its name. A kill closes it.
    """
    while True:
        path = temp_path(directory)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        # Before the lock, a sweeper may have taken the file for one that was left behind.
        if _lock(fd) is not False and os.fstat(fd).st_nlink:
            return os.fdopen(fd, "w+b"), path
        os.close(fd)


def remove_abandoned(path: PathArg) -> bool | None:
    """Remove a temporary file that nobody writes any more; tell whether that was so.

    None where it cannot be told. Locks die with their process. A network filesystem may keep them
    to one machine: there a file of another machine seems abandoned, and its writer is told so at
    the rename, with nothing lost.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        abandoned = _lock(fd)
        if abandoned:  # while it is locked: its writer may be about to
            remove_if_there(path)
        return abandoned
    finally:
        os.close(fd)


def _lock(fd: int) -> bool | None:
    """Lock an open file; False when another has it, None where there are no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def sync_and_close(stream: BinaryIO, disk: Disk = SYSTEM) -> None:
    """Flush a file's bytes to the disk, then close it."""
    with stream:
        disk.sync_stream(stream)


def move_without_replacing(source: PathArg, target: PathArg, disk: Disk = SYSTEM) -> None:
    """Rename a file on one filesystem, never over an existing one; durable on return.

    Raises FileExistsError when `target` is taken, and then nothing has changed. Uses
    renameat2, or link and unlink where the filesystem lacks it: a crash between these two
    leaves the file under both names. A filesystem with neither raises OSError(EOPNOTSUPP):
    there is no safe way there.
    """
    old, new = os.fsencode(source), os.fsencode(target)
    if not disk.rename_noreplace(old, new):
        _link_and_unlink(old, new, disk)
    # The new name first: after a power cut in between there are two names, never none.
    fsync_directory(_directory_of(new), disk)
    if _directory_of(old) != _directory_of(new):
        # Another move may have emptied and removed it by now: then no name is left in it.
        with contextlib.suppress(FileNotFoundError):
            fsync_directory(_directory_of(old), disk)


def write_atomically(path: PathArg, content: bytes, mode: int = 0o666) -> None:
    """Replace a file of our own in one step: readers see the old bytes or the new, never a mix."""
    directory = _directory_of(os.fsencode(path))
    stream, temporary = create_temp(directory, mode)
    try:
        # Closing fails like writing on a full disk, hence inside the same `try`.
        with stream:
            stream.write(content)
            SYSTEM.sync_stream(stream)
            os.replace(temporary, os.fsencode(path))
    except BaseException:
        remove_if_there(temporary)
        raise
    fsync_directory(directory)


def remove_if_there(path: PathArg, disk: Disk = SYSTEM) -> bool:
    """Remove a file; tell whether it was there."""
    try:
        disk.unlink(path)
    except FileNotFoundError:
        return False
    return True


def make_directories(
    path: PathArg, disk: Disk = SYSTEM, made: Callable[[bytes], None] = lambda _: None
) -> None:  # fmt: skip
    """Make a directory and its parents, each durable in its own parent.

    made: is told of each that was not there, before that is durable.
    """
    absolute = os.path.abspath(os.fsencode(path))
    missing: list[bytes] = []
    while not disk.isdir(absolute):
        missing.append(absolute)
        absolute = os.path.dirname(absolute)
    for directory in reversed(missing):
        try:
            disk.mkdir(directory)
            made(directory)
        except FileExistsError:
            if not disk.isdir(directory):
                raise
        fsync_directory(os.path.dirname(directory), disk)


def make_durable_directory(
    directory: bytes, top: bytes, durable: set[bytes], disk: Disk = SYSTEM,
    made: Callable[[bytes], None] = lambda _: None,
) -> None:  # fmt: skip
    """Make a directory and its parents, and make durable what was there of them up to `top`.

    Another process may have made them, and have been killed before that was durable. durable:
    those of which it is known; this one is added. made: as of `make_directories`.
    """
    make_directories(directory, disk, made)
    if directory not in durable:
        settle_name(directory + b"/", top, disk)
        durable.add(directory)


def settle_name(path: PathArg, top: PathArg, disk: Disk = SYSTEM) -> None:
    """Make durable that a file is found at a path, and the directories from there up to `top`.

    Whoever gave it the name may have been killed before that was certain: what is recorded of it
    would outlive the file. Directories further up that may not be opened are left out: nobody with
    our rights made them. Raises OSError.
    """
    directory, last = _directory_of(os.fsencode(path)), os.fsencode(top)
    fsync_directory(directory, disk)
    while directory.startswith(last) and directory not in (last, b"/"):
        directory = _directory_of(directory)
        with contextlib.suppress(PermissionError):
            fsync_directory(directory, disk)


def _directory_of(path: bytes) -> bytes:
    return os.path.dirname(path) or b"."


def _link_and_unlink(source: bytes, target: bytes, disk: Disk) -> None:
    """Give a file a second name, then take the first away. Raises as promised above."""
    try:
        disk.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        words = "the filesystem can neither rename without replacing nor link"
        raise OSError(errno.EOPNOTSUPP, words, source, None, target) from error
    disk.unlink(source)
