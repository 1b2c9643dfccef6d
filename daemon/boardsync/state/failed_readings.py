"""Queries on files that could not be read when they were to be hashed: how often, and why.

A change of the file, and its end, forget it (`observations`); so does a reading that works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.plan.backoff import reading_delay_seconds
from boardsync.state.rows import to_record
from boardsync.state.schema import failed_reading, file

_COLUMNS = tuple(
    failed_reading.c[name] for name in ("path", "reason", "attempts", "since_ms", "failed_ms")
)
_FORGET = delete(failed_reading).where(
    failed_reading.c.mirror == bindparam("of_mirror"), failed_reading.c.path == bindparam("of_path")
)
_ANY = select(failed_reading.c.path).where(failed_reading.c.mirror == bindparam("of_mirror"))


@dataclass(frozen=True, slots=True)
class FailedReading:
    """A file that could not be read. since_ms: the first time of those in a row, failed_ms: the
    last one; 0 after somebody asked for the next."""

    path: bytes
    reason: str
    attempts: int
    since_ms: int
    failed_ms: int

    @property
    def next_ms(self) -> int:
        """When it is to be read again."""
        if self.failed_ms == 0:
            return 0
        key = self.path.decode("utf-8", "backslashreplace")
        return self.failed_ms + int(reading_delay_seconds(self.attempts, key) * 1000)

    def waits(self, now_ms: int) -> bool:
        """Tell whether it is left alone now. A clock that was set back does not prolong that."""
        return self.failed_ms <= now_ms < self.next_ms


def note(connection: Connection, mirror: int, path: bytes, reason: str, now_ms: int) -> int:
    """Record that a file could not be read once more. Returns how often in a row."""
    fresh = insert(failed_reading).values(
        mirror=mirror, path=path, reason=reason, attempts=1, since_ms=now_ms, failed_ms=now_ms
    )
    again = {
        "reason": reason, "failed_ms": now_ms, "attempts": failed_reading.c.attempts + 1,
    }  # fmt: skip
    counted = fresh.on_conflict_do_update(index_elements=["mirror", "path"], set_=again)
    return int(connection.execute(counted.returning(failed_reading.c.attempts)).scalar_one())


def forget(connection: Connection, mirror: int, paths: Sequence[bytes]) -> int:
    """Forget that files could not be read. Returns of how many."""
    if not paths or connection.execute(_ANY.limit(1), {"of_mirror": mirror}).first() is None:
        return 0  # nearly always
    rows = [{"of_mirror": mirror, "of_path": path} for path in paths]
    return connection.execute(_FORGET, rows).rowcount


def hurry(connection: Connection, mirror: int) -> None:
    """Let all be read again at once: somebody asked, or the disk gives again what it held."""
    connection.execute(
        update(failed_reading).where(failed_reading.c.mirror == mirror).values(failed_ms=0)
    )


def between(
    connection: Connection, mirror: int, first: bytes, last: bytes
) -> dict[bytes, FailedReading]:  # fmt: skip
    """Return those of the paths from first to last, by path."""
    inside = and_(failed_reading.c.path >= first, failed_reading.c.path <= last)
    query = select(*_COLUMNS).where(failed_reading.c.mirror == mirror, inside)
    found = (to_record(FailedReading, row) for row in connection.execute(query))
    return {one.path: one for one in found}


def find(connection: Connection, mirror: int, path: bytes) -> FailedReading | None:
    """Return what is known of one file's."""
    return between(connection, mirror, path, path).get(path)


def of_mirror(connection: Connection, mirror: int, limit: int) -> list[FailedReading]:
    """Return those of the files that are still to be read, the longest failing first."""
    there = and_(file.c.mirror == failed_reading.c.mirror, file.c.path == failed_reading.c.path)
    query = (
        select(*_COLUMNS)
        .join(file, there)
        .where(failed_reading.c.mirror == mirror, file.c.hashed_ns.is_(None))
        .order_by(failed_reading.c.since_ms, failed_reading.c.path)
        .limit(limit)
    )
    return [to_record(FailedReading, row) for row in connection.execute(query)]
