"""What one pass of a mirror is asked for, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field

from boardsync.engine import decide
from boardsync.engine.observe_files import FilesSeen, Hashed
from boardsync.errors import BoardsyncError
from boardsync.model import Action


@dataclass(slots=True)
class Look:
    """Where to look: the sum of the hints since the last pass.

    decide: decide about everything, even if nothing new is seen there. make: make boards that
    are needed and missing.
    """

    cause: str = "schedule"
    folder: bool = False
    boards: bool = False
    decide: bool = False
    make: bool = True
    paths: set[bytes] = field(default_factory=set)
    closed: set[bytes] = field(default_factory=set)

    @property
    def nothing(self) -> bool:
        return not (self.folder or self.boards or self.paths)

    @classmethod
    def everywhere(cls, cause: str) -> Look:
        return cls(cause=cause, folder=True, boards=True)


@dataclass(slots=True)
class Pass:
    """What a pass found and planned. troubles: why parts of it could not be done.

    hashed_in_part: so much was hashed that `hashed.paths` names only the last of it.
    walk_seconds, listing_seconds: how long looking at the folder took, and the server for the
    listings: how long our own disk took to note them says nothing of what asking again costs.
    next_proof_ms: when items of ours are to be seen whole, None when all of them are.
    next_look_ms: when something that is in doubt now can be decided, None without a doubt.
    """

    files: FilesSeen | None = None
    hashed: Hashed = field(default_factory=Hashed)
    hashed_in_part: bool = False
    plan: decide.Plan = field(default_factory=decide.Plan)
    made: list[tuple[int, Action]] = field(default_factory=list)
    run: int | None = None
    troubles: list[BoardsyncError] = field(default_factory=list)
    walk_seconds: float = 0.0
    listing_seconds: float = 0.0
    next_look_ms: int | None = None
    next_proof_ms: int | None = None
