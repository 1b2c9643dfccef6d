"""Hints, and the way they leave the watching threads.

A hint says "look there" and nothing more: it may be lost, doubled or late, and what it names
may be gone again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from boardsync.local.ignore import IGNORE_FILE, Rules


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at this path: a file, or a directory and everything below it, or nothing any more.

    closed: whoever wrote the file is done with it, by closing it or by renaming it here.
    """

    path: bytes
    closed: bool


class Loss(StrEnum):
    """Why hints were, or may have been, lost: what such losses are counted under."""

    OVERFLOW = "overflow"
    """The kernel's queue was full."""
    LIMIT = "limit"
    """New directories were beyond the kernel's limit on watches."""
    THREAD = "thread"
    """A watching thread died."""
    FOLDER = "folder"
    """The folder, or a filesystem in it, went away or was replaced."""
    HAND_OVER = "hand-over"
    """The receiver failed."""


@dataclass(frozen=True, slots=True)
class Rescan:
    """Look at everything, for a reason in words. loss: None where nothing can have been lost."""

    reason: str
    loss: Loss | None = None


class Outbox:
    """Hands hints over, from any thread, and never raises into the thread that calls it.

    A receiver that fails (a loop that is shutting down, say) costs a rescan, which is owed
    until `pay` finds the receiver well again.
    """

    def __init__(self, receive: Callable[[Hint | Rescan], None], rules: Rules) -> None:
        self._receive = receive
        self._rules = rules
        self._lock = threading.Lock()
        self._counts = {"hints": 0, "rescans": 0, "failures": 0}
        self._owed: Rescan | None = None

    def hint(self, path: bytes, *, is_dir: bool, closed: bool = False) -> None:
        """Pass a path on, unless the rules leave it alone."""
        if path == IGNORE_FILE:
            self.rescan(f"the rules in {IGNORE_FILE.decode()} changed")
        elif self._rules.verdict(path, is_dir) is None:
            self._hand_over(Hint(path, closed), "hints")

    def rescan(self, reason: str, loss: Loss | None = None) -> None:
        """Ask for a look at everything."""
        asked = Rescan(reason, loss)
        if not self._hand_over(asked, "rescans"):
            self._owe(asked)

    def pay(self) -> None:
        """Ask again for what a failed hand-over left owing."""
        with self._lock:
            owed, self._owed = self._owed, None
        if owed is not None:
            self.rescan(owed.reason, owed.loss)

    def counts(self) -> dict[str, int]:
        """Return how many hints and rescans were handed over, and how many failed."""
        with self._lock:
            return dict(self._counts)

    def _owe(self, rescan: Rescan) -> None:
        with self._lock:
            self._owed = rescan

    def _hand_over(self, message: Hint | Rescan, counter: str) -> bool:
        try:
            self._receive(message)
        except Exception as error:  # Whatever it is: without this thread all hints would end.
            self._owe(Rescan(f"a hint could not be handed over: {error!r}", Loss.HAND_OVER))
            counter = "failures"
        with self._lock:
            self._counts[counter] += 1
        return counter != "failures"
