"""Files that never settle: always written to, or never to be read whole.

Such a file waits on purpose, for ever; the state remembers of it only its latest change. So the
paths of files that wait are followed here, a window of the index at each look, and what has
waited for an hour is kept in the state: a restart must not begin its week anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from sqlalchemy import Connection

from boardsync.engine.report import show
from boardsync.state import alarms, standing
from boardsync.state.alarms import AlarmRecord

WINDOW = 1000
"""Paths that are looked at together: about a millisecond."""
MOST = 10_000
"""Paths that are followed in one mirror. While a folder is new, all of its files wait."""
KEPT_AFTER_MS = 3_600_000
MOST_KEPT = 100
PREFIX = "file:"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Files that have waited for so long. path: of the first."""

    count: int
    since_ms: int
    path: bytes


class Restless:
    """The files of one mirror that wait to settle, and since when."""

    def __init__(self, mirror: str) -> None:
        self._prefix = f"{PREFIX}{quote(mirror, safe='')}:"
        self._since: dict[bytes, int] = {}
        self._after = b""
        self._kept: set[bytes] = set()

    def remember(self, records: list[AlarmRecord]) -> None:
        """Take up what an earlier process has kept."""
        for one in records:
            if one.cause.startswith(self._prefix):
                path = unquote_to_bytes(one.cause.removeprefix(self._prefix))
                self._since[path] = one.since_ms
                self._kept.add(path)

    def look(self, connection: Connection, mirror: int, now_ms: int) -> None:
        """Look at the next window of files that wait, and forget those of it that settled."""
        window = standing.unhashed_paths(connection, mirror, self._after, WINDOW)
        waiting, full = set(window), len(window) == WINDOW
        last = window[-1] if full else None
        for path in list(self._since):
            inside = path > self._after and (last is None or path <= last)
            if inside and path not in waiting:
                del self._since[path]
        for path in window:
            if path in self._since:
                self._since[path] = min(self._since[path], now_ms)
            elif len(self._since) < MOST:
                self._since[path] = now_ms
        self._after = window[-1] if full else b""

    def waiting(self, until_ms: int) -> Waiting | None:
        """Return what has waited since before a moment."""
        old = [(since, path) for path, since in self._since.items() if since <= until_ms]
        if not old:
            return None
        since, path = min(old)
        return Waiting(len(old), since, path)

    def to_keep(self, now_ms: int) -> tuple[list[AlarmRecord], list[str]]:
        """Return what is to be kept from now on, and the causes that need not be any more."""
        old = [(s, path) for path, s in self._since.items() if now_ms - s >= KEPT_AFTER_MS]
        wanted = {path: since for since, path in sorted(old)[:MOST_KEPT]}
        fresh = [
            AlarmRecord(self._cause(path), show(path) or "", since, None)
            for path, since in wanted.items() if path not in self._kept
        ]  # fmt: skip
        over = [self._cause(path) for path in self._kept - wanted.keys()]
        self._kept = set(wanted)
        return fresh, over

    def _cause(self, path: bytes) -> str:
        return f"{self._prefix}{quote(path, safe='/')}"


def write_kept(connection: Connection, fresh: list[AlarmRecord], over: list[str]) -> None:
    """Record what `Restless.to_keep` returned."""
    alarms.forget(connection, over)
    alarms.keep(connection, fresh)
