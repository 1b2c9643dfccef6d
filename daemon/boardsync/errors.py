"""The error tree. Classified once, at the edge; callers ask the class and never parse text.

::

    BoardsyncError
    ├── TryAgain                 heals by itself: back off and do it again
    │   ├── ServerUnreachable    no connection, name lookup failed, timed out
    │   ├── ServerBusy           429, 409 maintenance, 502/503/504; may carry retry_after
    │   ├── ServerFault          500, or an answer that is not what the contract says
    │   ├── OutcomeUnknown       a write may or may not have happened: look before repeating
    │   ├── FileChanging         the file moved under our hands: observe it again
    │   │   └── FileUnreadable   its disk does not give its bytes
    │   ├── FolderAway           the mirror's folder is missing, replaced or unreadable
    │   └── NoRoom               disk full, or below the floor kept free
    ├── Refused                  permanent for this one subject, until it changes
    │   ├── PictureRefused       not a picture, not whole, too large, cannot be prepared
    │   ├── QueryRefused         a search that cannot be understood; says where
    │   └── ServerRefused        the server will never take this (403, 413, 415, 422)
    ├── Missing                  the subject is not there
    │   ├── BoardMissing
    │   ├── ItemMissing
    │   └── ServerForgot         boards, and items that were on them: nothing is a deletion
    ├── NeedsPerson              waits for somebody
    │   ├── SettingsError        exit code 78
    │   ├── NotAuthorised        401, or an account without the right
    │   ├── StateLocked          another daemon owns this state file
    │   ├── StateTooNew          written by a newer boardsync
    │   └── Ambiguous            a name that fits several things
    └── Bug                      cannot happen; report it

A message names the thing, what happened, and what to do. Secrets never enter one.
"""

from __future__ import annotations

from collections.abc import Sequence


class BoardsyncError(Exception):
    """Base of everything boardsync raises on purpose."""


class TryAgain(BoardsyncError):
    """Heals by itself. `retry_after` is what the other side asked for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerUnreachable(TryAgain):
    """Nothing was sent: the connection was refused, timed out, or the name is unknown."""


class ServerBusy(TryAgain):
    """The server asks to wait: rate limit, maintenance, or a proxy without a backend."""


class ServerFault(TryAgain):
    """The server failed, or answered something that its contract rules out."""


class OutcomeUnknown(TryAgain):
    """A write may have happened although its answer was lost: look it up before repeating."""


class FileChanging(TryAgain):
    """The file changed, vanished or is still being written while we read it."""


class FileUnreadable(FileChanging):
    """The disk fails to give a file's bytes. `reason` says it without the file's name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


class FolderAway(TryAgain):
    """The mirror's folder is missing, is another folder than before, or cannot be read."""


class NoRoom(TryAgain):
    """The disk is full, or free space is below the configured floor."""


class Refused(BoardsyncError):
    """Permanent for this subject until its content or a setting changes."""


class PictureRefused(Refused):
    """This file cannot be sent as a picture; the message says why."""


class QueryRefused(Refused):
    """What was asked for cannot be searched for. `place` counts characters from 0."""

    def __init__(self, message: str, *, place: int = 0) -> None:
        super().__init__(message)
        self.place = place


class ServerRefused(Refused):
    """The server answered that it will never take this."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Missing(BoardsyncError):
    """The subject does not exist (any more)."""


class BoardMissing(Missing):
    """The server does not know this board."""


class ItemMissing(Missing):
    """The server does not know this item."""


class ServerForgot(Missing):
    """The server knows neither boards nor items that it knew: it is not what it was."""


class ItemChanged(BoardsyncError):
    """The item is another version than the one that was meant: decide anew."""


class NeedsPerson(BoardsyncError):
    """Nothing but a person's act resolves this."""


class SettingsError(NeedsPerson):
    """The settings are unusable. The message holds file, line, column and what was expected."""


class NotAuthorised(NeedsPerson):
    """The server wants a login, or refuses the one it got."""


class StateLocked(NeedsPerson):
    """Another process owns this state file. `pid` is None when it cannot be told."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StateTooNew(NeedsPerson):
    """The state file was written by a newer boardsync; it is left untouched."""


class Ambiguous(NeedsPerson):
    """A name fits several things; `candidates` lists them, one line each."""

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class Bug(BoardsyncError):
    """An invariant of ours does not hold. Nothing was written."""
