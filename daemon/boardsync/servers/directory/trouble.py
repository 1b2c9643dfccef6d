"""What an OSError on a server's directory means to a caller: the one place that decides it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from boardsync.errors import (
    BoardsyncError,
    NoRoom,
    NotAuthorised,
    ServerFault,
    ServerRefused,
    ServerUnreachable,
)

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BAD_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
_AWAY = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ESTALE,
        errno.EIO,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ETIMEDOUT,
    }
)


@contextmanager
def classified(subject: str) -> Iterator[None]:
    """Turn an OSError of the block into a class of ours. `subject` says what was done to what."""
    try:
        yield
    except OSError as error:
        raise classify(error, subject) from error


def classify(error: OSError, subject: str) -> BoardsyncError:
    """Return what an OSError means to a caller."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _NO_ROOM:
        return NoRoom(f"{subject}: {reason}; make room there")
    if error.errno in _NO_RIGHT:
        return NotAuthorised(f"{subject}: {reason}; give boardsync's user the right to it")
    if error.errno in _BAD_NAME:
        return ServerRefused(f"{subject}: {reason}; the filesystem does not take this name")
    if error.errno == errno.EXDEV:
        return ServerRefused(
            f"{subject}: {reason}; pictures are moved within one filesystem only, so keep all "
            "boards and the server's own directory on the same one"
        )
    if error.errno == errno.EOPNOTSUPP:
        return ServerRefused(
            f"{subject}: {reason}; this filesystem cannot rename without replacing, "
            "and boardsync writes no picture without that"
        )
    if error.errno in _AWAY:
        return ServerUnreachable(f"{subject}: {reason}; is its disk mounted?")
    return ServerFault(f"{subject}: {reason}")
