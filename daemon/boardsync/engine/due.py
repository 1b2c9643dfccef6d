"""Transfers that may go, as they were read from the state, and how many go at one time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from boardsync.model import ActionKind
from boardsync.state import transfers
from boardsync.state.records import TransferRecord

GROUPS = (transfers.UPLOADS, transfers.DOWNLOADS, transfers.STEPS)
Kinds = tuple[ActionKind, ...]


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many transfers a server is given at one time. steps: those without bytes."""

    uploads: int = 2
    downloads: int = 4
    steps: int = 4


@dataclass(slots=True)
class Due:
    """Transfers of some kinds that may go. more: the state may hold others that may go."""

    waiting: deque[TransferRecord] = field(default_factory=deque)
    more: bool = True

    def look_again(self) -> None:
        """Forget what was read: the state has changed."""
        self.waiting.clear()
        self.more = True
