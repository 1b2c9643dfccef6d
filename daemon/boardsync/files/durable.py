"""Writing that survives a power cut, and renames that never replace.

Every function takes absolute paths as bytes or `os.PathLike`, and raises OSError as it comes:
the callers know what the path means to a person.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import sys
from typing import BinaryIO

PathArg = str | bytes | os.PathLike[str] | os.PathLike[bytes]

TEMP_PREFIX = b".boardsync-tmp-"
"""Every temporary file of ours begins so: ignored by the scan, swept when it is stale."""

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})


def fsync_directory(path: PathArg) -> None:
    """Make the names in a directory durable.

    Some network filesystems refuse to sync a directory (EINVAL); they have nothing to sync.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(fd)


def temp_path(directory: PathArg) -> bytes:
    """Return a fresh name for a temporary file in `directory`. Nothing is created."""
    return os.path.join(os.fsencode(directory), TEMP_PREFIX + secrets.token_hex(8).encode())


def create_temp(directory: PathArg, mode: int = 0o666) -> tuple[BinaryIO, bytes]:
    """Create and open a temporary file in `directory`. `mode` is subject to the umask."""
    path = temp_path(directory)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    return os.fdopen(fd, "w+b"), path


def sync_and_close(stream: BinaryIO) -> None:
    """Flush a file's bytes to the disk, then close it."""
    with stream:
        stream.flush()
        os.fsync(stream.fileno())


def move_without_replacing(source: PathArg, target: PathArg) -> None:
    """Rename a file on one filesystem, never over an existing one; durable on return.

    Raises FileExistsError when `target` is taken, and then nothing has changed. Uses
    renameat2, or link and unlink where the filesystem lacks it: a crash between these two
    leaves the file under both names. A filesystem with neither raises OSError(EOPNOTSUPP):
    there is no safe way there.
    """
    old, new = os.fsencode(source), os.fsencode(target)
    if not _renameat2(old, new):
        _link_and_unlink(old, new)
    # The new name first: after a power cut in between there are two names, never none.
    for directory in dict.fromkeys((_directory_of(new), _directory_of(old))):
        fsync_directory(directory)


def write_atomically(path: PathArg, content: bytes, mode: int = 0o666) -> None:
    """Replace a file of our own in one step: readers see the old bytes or the new, never a mix."""
    directory = _directory_of(os.fsencode(path))
    stream, temporary = create_temp(directory, mode)
    try:
        # Closing fails like writing on a full disk, hence inside the same `try`.
        with stream:
            stream.write(content)
            sync_and_close(stream)
        os.replace(temporary, os.fsencode(path))
    except BaseException:
        remove_if_there(temporary)
        raise
    fsync_directory(directory)


def remove_if_there(path: PathArg) -> bool:
    """Remove a file; tell whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def make_directories(path: PathArg) -> None:
    """Make a directory and its parents, each durable in its own parent."""
    absolute = os.path.abspath(os.fsencode(path))
    missing: list[bytes] = []
    while not os.path.isdir(absolute):
        missing.append(absolute)
        absolute = os.path.dirname(absolute)
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
        except FileExistsError:
            if not os.path.isdir(directory):
                raise
        fsync_directory(os.path.dirname(directory))


def _directory_of(path: bytes) -> bytes:
    return os.path.dirname(path) or b"."


def _link_and_unlink(source: bytes, target: bytes) -> None:
    """Give a file a second name, then take the first away. Raises as promised above."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        words = "the filesystem can neither rename without replacing nor link"
        raise OSError(errno.EOPNOTSUPP, words, source, None, target) from error
    os.unlink(source)


def _renameat2(source: bytes, target: bytes) -> bool:
    """Rename with RENAME_NOREPLACE. False where kernel, C library or filesystem lack it."""
    if _LIBC_RENAMEAT2 is None:
        return False
    if _LIBC_RENAMEAT2(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), os.fsdecode(source), None, os.fsdecode(target))


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
