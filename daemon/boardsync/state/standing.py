"""Queries on what waits and for how long. They are asked every few seconds.

So all but one of them go through an index to the few rows that matter, at a million files or
transfers too. The exception says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, text

from boardsync.state.schema import file
from boardsync.state.transfers import LIVE, TRAVELLING

EXAMPLES = 50
"""Postponed transfers of a kind that are looked at: the oldest of them stands for all."""

_WAITING = f"FROM transfer INDEXED BY transfer_waiting WHERE mirror = :mirror AND {LIVE}"
_HEADS = text(
    " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, kind, board {_WAITING} AND kind = '{kind.value}'"
        " AND not_before_ms = 0 ORDER BY id LIMIT 1)"
        for kind in TRAVELLING
    )
)
# What failed was given a moment before which it is not tried again. What never was tried, or was
# hurried, has none.
_POSTPONED = text(
    " UNION ALL ".join(
        "SELECT * FROM (SELECT coalesce(first_sent_ms, created_ms) AS since_ms, error, error_class"
        f" {_WAITING} AND kind = '{kind.value}' AND not_before_ms > 0 AND error IS NOT NULL"
        " ORDER BY not_before_ms LIMIT :limit)"
        for kind in TRAVELLING
    )
)
_UNHASHED = text(
    """
    SELECT path FROM file INDEXED BY file_unhashed
    WHERE mirror = :mirror AND hashed_ns IS NULL AND path > :after ORDER BY path LIMIT :limit
    """
).columns(file.c.path)
_REFUSED = text(
    """
    SELECT count(*) AS total, sum(refusal = :unreadable) AS unreadable,
        min(CASE WHEN refusal = :unreadable THEN hashed_ns END) AS since_ns
    FROM file INDEXED BY file_refused WHERE mirror = :mirror AND refusal IS NOT NULL
    """
)
_A_PATH = select(file.c.path).where(
    file.c.mirror == bindparam("number"), file.c.refusal == bindparam("unreadable")
)


@dataclass(frozen=True, slots=True)
class Postponed:
    """A transfer whose last attempt failed. since_ms: when it was first tried."""

    since_ms: int
    error: str
    error_class: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Files that cannot be sent as they are, and those of them that may not be read.

    since_ms, path: of unreadable ones, when the first was met, and one of them.
    """

    count: int = 0
    unreadable: int = 0
    since_ms: int | None = None
    path: bytes | None = None


def heads(connection: Connection, mirror: int) -> dict[str, tuple[int, int]]:
    """Return, for each kind of transfer, the next one that may go: its number, and its board's."""
    rows = connection.execute(_HEADS, {"mirror": mirror})
    return {row.kind: (row.id, row.board) for row in rows}


def postponed(connection: Connection, mirror: int) -> list[Postponed]:
    """Return transfers whose last attempt failed, at most so many of each kind; oldest first."""
    rows = connection.execute(_POSTPONED, {"mirror": mirror, "limit": EXAMPLES})
    found = [Postponed(row.since_ms, row.error, row.error_class) for row in rows]
    return sorted(found, key=lambda one: one.since_ms)


def unhashed_paths(connection: Connection, mirror: int, after: bytes, limit: int) -> list[bytes]:
    """Return paths of files that have not settled since they changed, in order after `after`."""
    values = {"mirror": mirror, "after": after, "limit": limit}
    return list(connection.execute(_UNHASHED, values).scalars())


def refused(connection: Connection, mirror: int, unreadable: str) -> Refused:
    """Count the files that are refused. unreadable: the reason of those that may not be read.

    Walks all files that are refused: to be asked seldom, and not on an event loop.
    """
    values = {"mirror": mirror, "unreadable": unreadable}
    row = connection.execute(_REFUSED, values).one()
    if not row.unreadable:
        return Refused(row.total)
    query = _A_PATH.limit(1)
    path = connection.execute(query, {"number": mirror, "unreadable": unreadable}).scalar()
    return Refused(row.total, row.unreadable, row.since_ns // 1_000_000, path)
