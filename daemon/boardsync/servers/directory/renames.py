"""Renames of files that other programs may save at any moment: none of theirs is ever lost.

The kernel does it in one step where it can. Where it cannot (network filesystems), a file gets
its second name first, and the first is taken away only from that very file: a program that
saves by renaming may have put a new one there in between.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import sys
from contextlib import suppress

from boardsync.files.durable import fsync_directory, move_without_replacing
from boardsync.servers.directory.marks import make_marks_folder
from boardsync.servers.directory.names import candidates

_ASIDE = ".boardsync-aside-"
"""How names of ours begin that a file has for two steps, in the marks folder beside it."""

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})


def exchange(one: str, other: str) -> bool:
    """Swap two files of one filesystem; durable on return. False where that cannot be done.

    Raises OSError, with nothing changed, when one of them is not there.
    """
    if not _renameat2(one, other, _RENAME_EXCHANGE):
        return False
    _sync(other, one)
    return True


def move_exclusively(source: str, target: str) -> None:
    """Rename a file that others may replace at any moment, never over anything; durable.

    Raises FileExistsError when `target` is taken, and FileNotFoundError; then nothing has
    changed. Killed in between, a file may be left under both names.
    """
    if not _renameat2(source, target, _RENAME_NOREPLACE):
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            words = "the filesystem can neither rename without replacing nor link"
            raise OSError(errno.EOPNOTSUPP, words, source, None, target) from error
        take_name(source, os.lstat(target))
    _sync(target, source)


def move_to_our_place(source: str, target: str) -> None:
    """Rename a file to a path that nobody else uses and that is free; durable on return."""
    os.rename(source, target)
    _sync(target, source)


def take_name(path: str, file: os.stat_result) -> None:
    """Take a name away from a file that has another one; if it is still that file's.

    What somebody put there meanwhile keeps the name, or gets the next free one when even that
    was taken again.
    """
    folder, name = os.path.split(path)
    aside = os.path.join(make_marks_folder(folder), _ASIDE + secrets.token_hex(8))
    with suppress(FileNotFoundError):
        os.rename(path, aside)
        if os.path.samestat(os.lstat(aside), file):
            os.unlink(aside)
        else:
            _put_back(aside, folder, name)
    fsync_directory(folder)


def is_second_name(path: str) -> bool:
    """Tell whether this is a name that `take_name` left when it was killed, one of several.

    The only name of a file is never one: then somebody's work lies there.
    """
    try:
        return os.path.basename(path).startswith(_ASIDE) and os.lstat(path).st_nlink > 1
    except FileNotFoundError:
        return False


def _put_back(aside: str, folder: str, name: str) -> None:
    for candidate in candidates(name):
        with suppress(FileExistsError):
            move_without_replacing(aside, os.path.join(folder, candidate))
            return


def _sync(new: str, old: str) -> None:
    """The new name first: after a power cut in between there are two names, never none."""
    for directory in dict.fromkeys((os.path.dirname(new), os.path.dirname(old))):
        fsync_directory(directory)


def _renameat2(source: str, target: str, flag: int) -> bool:
    """Rename with a flag. False where kernel, C library or filesystem lack it."""
    if _LIBC_RENAMEAT2 is None:
        return False
    old, new = os.fsencode(source), os.fsencode(target)
    if _LIBC_RENAMEAT2(_AT_FDCWD, old, _AT_FDCWD, new, flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), source, None, target)


def _load_renameat2() -> ctypes._NamedFuncPointer | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        path, number = ctypes.c_char_p, ctypes.c_int
        function.argtypes = (number, path, number, path, ctypes.c_uint)
    return function


_LIBC_RENAMEAT2 = _load_renameat2()
