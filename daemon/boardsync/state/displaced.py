"""Whether the state file in use still lies in its place, and what becomes of one that does not.

SQLite writes on to a file that was removed or replaced, and says nothing: the process believes
that its intents are durable, and its next start knows none of them. Readers that connect later
see the other file, with this one's log.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

import structlog

from boardsync.errors import BoardsyncError, TryAgain
from boardsync.state.copies import copy_open_database

log = structlog.get_logger(__name__)

_COMPANIONS = ("-wal", "-shm")


class Place:
    """The place of one open state file. Close it after all connections.

    The file is held by O_PATH: closing any other descriptor would take SQLite's locks away, and
    a number alone is not kept by every filesystem.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        self._log: os.stat_result | None = None

    def complaint(self) -> BoardsyncError | None:
        """Tell that the file is not in its place any more; None when it is."""
        try:
            there = _stat(self._path)
        except OSError:
            return None  # what cannot be looked at is not thereby gone
        if there is None:
            return TryAgain(
                f"{self._path}: the state file was taken away while it was in use; it is put"
                " back, and the next start of boardsync goes on with it"
            )
        if not os.path.samestat(there, os.fstat(self._file)):
            return TryAgain(
                f"{self._path}: another file was put in the place of the state while it was in"
                " use; the next start of boardsync goes on with that one, and what was in use is"
                " kept beside it (`boardsync restore-state` is the safe way)"
            )
        if self._log is None:
            self._log = _stat(Path(f"{self._path}-wal"))
        return None

    def rescue(self, connection: sqlite3.Connection) -> None:
        """Copy what is in use to its place, or beside the file that lies there now."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        kept = self._path.with_name(f"{self._path.name}.replaced-{stamp}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            copy_open_database(connection, kept)
            self._forget_log()
            with contextlib.suppress(FileExistsError):
                os.link(kept, self._path)
                kept.unlink()
                kept = self._path
        except (BoardsyncError, OSError) as error:
            log.error(  # noqa: TRY400
                "what was in use of the state could not be kept", why=str(error)
            )
        else:
            log.warning("what was in use of the state is kept", kept_as=str(kept))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _forget_log(self) -> None:
        """Take our log away: whoever opens the other file would read it as that file's."""
        there = _stat(Path(f"{self._path}-wal"))
        if there is not None and self._log is not None and os.path.samestat(there, self._log):
            for suffix in _COMPANIONS:
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    """Look what is there; None when nothing is."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
