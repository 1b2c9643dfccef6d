"""A person's own backups of the state: taken while it is in use, and put in its place again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from boardsync.errors import NeedsPerson, TryAgain
from boardsync.files.durable import fsync_directory, temp_path
from boardsync.state.copies import copy_database
from boardsync.state.health import suspicion_of
from boardsync.state.lock import StateLock
from boardsync.state.shape import find_fault
from boardsync.state.trouble import opening
from boardsync.state.upgrade import HEAD, refuse_newer, revision_of

COMPANIONS = ("", "-wal", "-shm")
"""What SQLite keeps of one database, by what follows its name."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A state that was put in the place of another. kept: where the other one is now."""

    schema: str
    kept: Path | None


def take_backup(state: Path, target: Path) -> int:
    """Copy a state to a file, consistently, whoever writes to it meanwhile; return its size.

    An older backup there is replaced, in one step. Raises NeedsPerson for a file that is none,
    and for a state that is not there; TryAgain for a damaged one; NoRoom.
    """
    with opening(target):
        if not state.exists():
            raise NeedsPerson(f"{state}: there is no state yet; `boardsync run` makes it")
        _refuse_to_replace(target, state)
        if not target.parent.is_dir():
            raise NeedsPerson(f"{target}: there is no folder {target.parent}; make it first")
    fresh = Path(os.fsdecode(temp_path(target.parent)))
    try:
        copy_database(state, fresh)
        _make_single(fresh)
        complaint = find_fault(fresh)
        if complaint is not None:
            raise TryAgain(
                f"{state}: damaged ({complaint}), so it was not copied; the next start of"
                " boardsync keeps it aside and rebuilds it"
            )
        with opening(target):
            fresh.replace(target)
            fsync_directory(target.parent)
            return target.stat().st_size
    finally:
        fresh.unlink(missing_ok=True)


def _make_single(path: Path) -> None:
    """Let a copy be one file even while it is read. Whoever opens it as a state changes that."""
    with opening(path), contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_mode=DELETE")


def _refuse_to_replace(target: Path, state: Path) -> None:
    if not target.exists():
        return
    if target.is_dir():
        raise NeedsPerson(f"{target}: is a folder; name a file in it")
    if state.exists() and target.samefile(state):
        raise NeedsPerson(f"{target}: is the state itself; name another file")
    if not _is_state(target):
        raise NeedsPerson(f"{target}: is there and no backup of a state; name another file")


def _is_state(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and revision_of(path) is not None
    except (sqlite3.Error, NeedsPerson):
        return False


def restore_backup(state: Path, source: Path) -> Restored:
    """Put a backup in the place of the state. What is there now is kept aside.

    Raises StateLocked while a boardsync runs on it; NeedsPerson for a backup that is none or is
    damaged, StateTooNew for one of a newer boardsync, all with nothing changed; NoRoom.
    """
    with StateLock(state):
        schema = _require_sound(source, state)
        fresh = state.with_name(f"{state.name}.restoring")
        try:
            copy_database(source, fresh)
            with opening(state):
                kept = _set_aside(state)
                # Killed here, no state is there: the next start rebuilds one, nothing is doubled.
                fresh.replace(state)
                fsync_directory(state.parent)
        finally:
            fresh.unlink(missing_ok=True)
        suspicion_of(state).unlink(missing_ok=True)
    return Restored(schema, kept)


def _require_sound(source: Path, state: Path) -> str:
    """Return a backup's schema."""
    if source.is_dir():
        raise NeedsPerson(f"{source}: is a folder; name the backup in it")
    if not source.is_file():
        raise NeedsPerson(f"{source}: there is no such file")
    if state.exists() and source.samefile(state):
        raise NeedsPerson(f"{source}: is the state itself; name a backup of it")
    if not _is_state(source):
        raise NeedsPerson(f"{source}: is no backup of a state; nothing was changed")
    with opening(source):
        schema = refuse_newer(source, HEAD)
    complaint = find_fault(source, thorough=True)
    if complaint is not None:
        raise NeedsPerson(f"{source}: is damaged ({complaint}); nothing was changed")
    return schema or HEAD


def _set_aside(state: Path) -> Path | None:
    """Rename the state with all that belongs to it; return under which name it is kept."""
    if not any(os.path.lexists(f"{state}{one}") for one in COMPANIONS):
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    kept = state.with_name(f"{state.name}.replaced-{stamp}")
    number = 1
    while kept.exists():
        number += 1
        kept = state.with_name(f"{state.name}.replaced-{stamp}-{number}")
    for one in COMPANIONS:
        if os.path.lexists(f"{state}{one}"):
            os.rename(f"{state}{one}", f"{kept}{one}")
    return kept
