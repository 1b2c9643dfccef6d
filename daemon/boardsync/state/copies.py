"""Copies of a state file, and whether one is intact."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from boardsync.files.durable import fsync_directory
from boardsync.state.trouble import DAMAGED, opening, primary_code


def copy_database(source: Path, target: Path) -> None:
    """Copy a live database consistently; durable when it returns.

    A copy that fails leaves nothing behind. Raises NoRoom, NeedsPerson or TryAgain.
    """
    with (
        opening(target),
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as original,
    ):
        copy_open_database(original, target)


def copy_open_database(original: sqlite3.Connection, target: Path) -> None:
    """The same of what a connection has open, which need not be a file with a name any more.

    The connection is in no transaction: SQLite would wait for its end for ever.
    """
    temporary = target.with_name(target.name + ".part")
    with opening(target):
        # What a killed copy left would be taken for a database to overwrite.
        temporary.unlink(missing_ok=True)
        try:
            _copy(original, temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_directory(target.parent)


def _copy(original: sqlite3.Connection, target: Path) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
    with target.open("rb+") as stream:
        os.fsync(stream.fileno())


def check_integrity(path: Path, *, thorough: bool = False) -> str | None:
    """Return what SQLite finds damaged, or None when all is well.

    thorough: compare the indexes with their tables, too, which takes several times as long.
    A file that cannot be looked at is not thereby damaged: raises NeedsPerson or TryAgain.
    """
    with opening(path):
        pragma = "integrity_check" if thorough else "quick_check"
        try:
            with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                answer = str(db.execute(f"PRAGMA {pragma}(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            if primary_code(error) not in DAMAGED:
                raise
            return str(error)
    return None if answer == "ok" else answer
