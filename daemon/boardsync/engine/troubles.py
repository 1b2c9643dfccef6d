"""What keeps a mirror from being in step, and whose trouble it is: a look clears only its own."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

import structlog

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import BoardsyncError
from boardsync.state import places

log = structlog.get_logger(__name__)


class Part(Enum):
    """What can be in trouble, besides the boards."""

    FOLDER = auto()
    UNREADABLE = auto()
    RENAMED = auto()
    SERVER = auto()
    FORGOTTEN = auto()
    PASS = auto()


Whose = Part | bytes
"""A part, or the subfolder of a board."""


class Troubles:
    """The troubles of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._known: dict[Whose, BoardsyncError] = {}

    def set(self, whose: Whose, error: BoardsyncError) -> None:
        """Keep somebody's trouble until it is cleared."""
        self._known[whose] = error

    def is_of(self, whose: Whose, kind: type[BoardsyncError]) -> bool:
        """Tell whether somebody's trouble is of a kind."""
        return isinstance(self._known.get(whose), kind)

    def clear(self, whose: Whose) -> bool:
        """Forget somebody's trouble; tell whether there was any."""
        return self._known.pop(whose, None) is not None

    def keep_boards(self, subfolders: Collection[bytes]) -> None:
        """Forget the troubles of all other boards."""
        self._known = {
            whose: error for whose, error in self._known.items()
            if isinstance(whose, Part) or whose in subfolders
        }  # fmt: skip

    def all(self) -> list[BoardsyncError]:
        """Return them, the oldest first."""
        return list(self._known.values())

    async def record(self) -> None:
        """Tell `status` and the log of what has changed."""
        text = "; ".join(dict.fromkeys(str(error) for error in self._known.values())) or None
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        with mirror.state.read() as connection:
            before = places.trouble(connection, mirror.number)
        if (before[0] if before else None) == text:
            return
        await mirror.state.write(lambda c: places.note_trouble(c, mirror.number, text, moment))
        if text:
            log.warning("waiting", reason=text)
        else:
            log.info("going on")
