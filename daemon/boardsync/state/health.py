"""Whether a state file that is in use is sound: damage is noticed here, from whichever thread.

A quick look at the next start may not find what was met in use. So the damage is also noted
beside the file, and the next opening looks thoroughly.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from boardsync.errors import BoardsyncError, TryAgain
from boardsync.state.shape import missing_part
from boardsync.state.trouble import DAMAGED, opening, primary_code, state_error

log = structlog.get_logger(__name__)

Listener = Callable[[BoardsyncError], None]


def suspicion_of(path: Path) -> Path:
    """Return the file that says: the state beside it was found damaged while in use."""
    return path.with_name(f"{path.name}.suspect")


class Health:
    """What is known of one open state file. note: its owner may write beside it."""

    def __init__(self, path: Path, *, note: bool) -> None:
        self._path = path
        self._note = note
        self._lock = threading.Lock()
        self._damage: BoardsyncError | None = None
        self._listener: Listener | None = None

    @property
    def damage(self) -> BoardsyncError | None:
        """What is wrong with the file, when something is."""
        return self._damage

    def listen(self, listener: Listener | None) -> None:
        """Have damage told, once, on the thread that met it; at once when it was met before."""
        with self._lock:
            self._listener, damage = listener, self._damage
        if listener is not None and damage is not None:
            listener(damage)

    def told(self, error: DBAPIError) -> BoardsyncError:
        """Classify what went wrong while the file was in use, and take note of damage."""
        told, code = state_error(error), primary_code(error.orig)
        if code in DAMAGED:
            self._take_note(told)
        elif code == sqlite3.SQLITE_ERROR and (part := self._missing_part()) is not None:
            told = self.found(f"{part} is missing")
        return told

    def _missing_part(self) -> str | None:
        try:
            with opening(self._path):
                return missing_part(self._path)
        except BoardsyncError:
            return None

    def found(self, complaint: str) -> BoardsyncError:
        """Take note of damage that a check has found; return it as an error."""
        damage = TryAgain(
            f"{self._path}: the state file is damaged: {complaint}; the next start of"
            " boardsync keeps it aside and rebuilds it from the disk and the boards"
        )
        self._take_note(damage)
        return damage

    def displaced(self, complaint: BoardsyncError) -> None:
        """Take note that the file in use is not the one in its place any more."""
        self._take_note(complaint)

    def _take_note(self, damage: BoardsyncError) -> None:
        with self._lock:
            known, self._damage = self._damage, self._damage or damage
            listener = self._listener
        if known is not None:
            return
        if self._note:
            try:
                suspicion_of(self._path).touch(mode=0o600)
            except OSError as error:
                log.warning("the damage could not be noted for the next start", error=str(error))
        if listener is not None:
            listener(damage)
