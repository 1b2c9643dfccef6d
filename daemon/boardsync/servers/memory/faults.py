"""What goes wrong with a memory server, to order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from boardsync.errors import BoardsyncError
from boardsync.model import Upload


@dataclass(slots=True)
class Faults:
    """What goes wrong. Counters count down with each call; the rest lasts until taken back.

    errors: raised one by one by the next calls, whichever they are (say, a ServerBusy with
    retry_after). lost_answers: an upload is stored, but the answer is UNKNOWN. lost_uploads:
    UNKNOWN and not stored. ghosts: UNKNOWN, listed, and not whole until `finish`. lost_boards:
    made, but the answer is lost. late_uploads: UNKNOWN, and stored at the next `commit_late`, as
    behind a proxy. lost_changes: a move, removal, return, purge or renaming
    happened, but the answer is lost. dropped_changes: the answer is lost, and it did not
    happen. hidden: items that listings leave out, saying that they are incomplete. refuses:
    gives the reason why an upload is refused, or None.
    """

    unreachable: bool = False
    errors: list[BoardsyncError] = field(default_factory=list)
    lost_answers: int = 0
    lost_uploads: int = 0
    late_uploads: int = 0
    ghosts: int = 0
    lost_boards: int = 0
    lost_changes: int = 0
    dropped_changes: int = 0
    hidden: set[str] = field(default_factory=set)
    refuses: Callable[[Upload], str | None] = lambda _upload: None

    def spend(self, counter: str) -> bool:
        """Count one of the numbered faults down; tell whether it strikes now."""
        left: int = getattr(self, counter)
        setattr(self, counter, max(left - 1, 0))
        return left > 0
