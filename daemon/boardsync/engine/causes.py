"""What can be wrong with a daemon that runs: kinds of causes, how grave, and after how long.

Pure values: what finds them is `engine.health`, what tells them is `engine.alarms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How grave a cause is."""

    INFORMATION = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class Kind(StrEnum):
    """What sort of thing is wrong. The values are part of keys that are stored."""

    DAMAGED = "damaged"
    ENDED = "ended"
    STATE = "state"
    FULL = "full"
    ROOM = "room"
    SERVER = "server"
    WAITING = "waiting"
    HELD = "held"
    WATCHER = "watcher"
    FAILING = "failing"
    IDLE = "idle"
    CHANGING = "changing"
    UNREADABLE = "unreadable"
    REBUILT = "rebuilt"
    REFUSED = "refused"
    POLLED = "polled"
    LOSSES = "losses"


GRAVE = frozenset({Kind.DAMAGED, Kind.ENDED, Kind.STATE, Kind.FULL, Kind.REBUILT})
INFORMATION = frozenset({Kind.REFUSED, Kind.POLLED, Kind.LOSSES})
AT_ONCE = frozenset({Kind.DAMAGED, Kind.ENDED})
"""What no time heals."""
OF_FILES = frozenset({Kind.CHANGING, Kind.UNREADABLE})
"""What has more patience: writers may take their time."""
TOLD_ONLY = frozenset({Kind.HELD, Kind.REBUILT})
"""What a person is told of although the daemon works as it should."""
LASTING = frozenset(
    {
        Kind.STATE, Kind.FULL, Kind.ROOM, Kind.WAITING, Kind.WATCHER, Kind.POLLED, Kind.REFUSED,
    }
)  # fmt: skip
"""What may be gone for a moment, or change its words, and is the same all the while."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is not as it should be.

    subject: the mirror's or the server's name, or `boardsync`. identity: what is stable of it.
    stuck: it has lasted for longer than it may; the daemon is not healthy then.
    """

    kind: Kind
    subject: str
    identity: str
    words: str
    since_ms: int
    stuck: bool = False

    @property
    def key(self) -> str:
        """The name under which it is known again, after a restart too."""
        return f"{self.kind.value}:{self.identity}"

    @property
    def level(self) -> Level:
        return level_of(self.kind)

    @property
    def alarming(self) -> bool:
        """Whether somebody is to be told."""
        return self.stuck or self.kind in TOLD_ONLY or self.level is Level.INFORMATION

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values that JSON can hold."""
        return {
            "cause": self.key, "kind": self.kind.value, "subject": self.subject,
            "level": self.level.word, "words": self.words, "since_ms": self.since_ms,
            "stuck": self.stuck,
        }  # fmt: skip


def level_of(kind: Kind) -> Level:
    """Return how grave a kind of cause is."""
    if kind in GRAVE:
        return Level.CRITICAL
    return Level.INFORMATION if kind in INFORMATION else Level.WARNING


def kind_of(key: str) -> Kind | None:
    """Return the kind of a cause that is known by its key only; None for another's key."""
    try:
        return Kind(key.partition(":")[0])
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something may last before it is stuck, in seconds. files: a single file."""

    stuck: float
    files: float

    def of(self, kind: Kind) -> float:
        if kind in AT_ONCE:
            return 0.0
        return self.files if kind in OF_FILES else self.stuck

    def exhausted(self, kind: Kind, lasted_ms: int) -> bool:
        """Tell whether a cause that has lasted so long is stuck."""
        if kind in TOLD_ONLY or kind in INFORMATION:
            return False
        return lasted_ms >= self.of(kind) * 1000
