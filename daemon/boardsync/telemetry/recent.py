"""The last lines of the log, in memory, for whoever asks a running daemon what it said."""

from __future__ import annotations

import logging
from collections import deque

KEPT = 500
LONGEST = 2000
"""Lines that are kept, and letters of each: a megabyte at most."""


class RecentLines(logging.Handler):
    """Keeps what was logged last; the oldest lines make room."""

    def __init__(self, formatter: logging.Formatter, kept: int = KEPT) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._lines: deque[str] = deque(maxlen=kept)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record)[:LONGEST])
        except Exception:
            self.handleError(record)

    def lines(self) -> list[str]:
        """Return them, the oldest first."""
        self.acquire()
        try:
            return list(self._lines)
        finally:
            self.release()
