"""What SQLite and the disk say of the state file, classified once.

The primary result code decides, never the text: https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from boardsync.errors import BoardsyncError, Bug, NeedsPerson, NoRoom, TryAgain

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FORBIDDEN = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OURS = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.NotSupportedError,
)


def primary_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code of an error; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def state_error(error: DBAPIError) -> BoardsyncError:
    """Classify what went wrong while the state file was in use."""
    said = error.orig
    if isinstance(said, _OURS):
        return Bug(f"the state file refused what it was told: {said}; please report it")
    if primary_code(said) == sqlite3.SQLITE_FULL:
        return NoRoom(f"the state file cannot be written: {said}; free some disk space")
    if primary_code(said) in DAMAGED:
        return TryAgain(
            f"the state file is damaged: {said}; the next start of boardsync keeps it aside and"
            " rebuilds it from the disk and the boards"
        )
    return TryAgain(f"the state file cannot be used: {said}; it is tried again")


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn whatever keeps a state file from being opened, copied or upgraded into our errors."""
    try:
        yield
    except DBAPIError as error:
        raise _opening_error(path, error.orig) from error
    except (sqlite3.Error, OSError) as error:
        raise _opening_error(path, error) from error


def _opening_error(path: Path, error: BaseException | None) -> BoardsyncError:
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _FULL:
        return NoRoom(f"{path}: the disk is full; free some space")
    if code in DAMAGED:
        return TryAgain(
            f"{path}: this state file is damaged ({error}); `boardsync run` or `once` keeps it"
            " aside and rebuilds it from the disk and the boards"
        )
    if code in _FORBIDDEN or isinstance(error, OSError):
        said = getattr(error, "strerror", None) or error
        return NeedsPerson(
            f"{path}: the state cannot be kept there ({said}); let boardsync's user write that"
            " file and its folder, or give another `state` in the settings"
        )
    return TryAgain(
        f"{path}: the state file cannot be used now ({error}); another program may hold it, or its"
        " disk may be full or failing"
    )
