"""Queries for numbers that are told again and again: what waits, and what a mirror holds.

`standing` and `contents` answer at once whatever the mirror's size; `queue` takes the longer the
more waits, and `pictures` the longer the more there are: a tenth of a second for a million on one
board, a second where boards are subfolders.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, text

from boardsync.plan.layout import Layout
from boardsync.state import summary
from boardsync.state.transfers import LIVE

_TROUBLE = text("SELECT trouble_since_ms FROM mirror WHERE id = :mirror")
_SEEN = text(
    """
    SELECT m.scan_complete, m.scanned_ms, count(*) AS boards, count(b.listed_ms) AS listed,
           min(b.listed_ms) AS listed_ms
    FROM mirror m JOIN board b ON b.mirror = m.id AND b.current = 1
    WHERE m.id = :mirror GROUP BY m.id
    """
)
_TRIPS = text(
    "SELECT count(*) FROM hold WHERE mirror = :mirror"
    # A hold that grew is another one from then on, and no further trip.
    " AND (resolution IS NULL OR resolution <> 'grown')"
)
_QUEUE = text(
    "SELECT kind, count(*) AS waiting, count(error) AS failing, min(created_ms) AS oldest_ms"
    f" FROM transfer WHERE mirror = :mirror AND {LIVE} GROUP BY kind"
)
_HELD = text(
    "SELECT count(*) FROM hold h JOIN held e ON e.hold = h.id"
    " WHERE h.mirror = :mirror AND h.resolved_ms IS NULL"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a mirror stands. seen_ms: when both of its sides were last looked at in full.

    trips: so often its guard held something back.
    """

    trouble_since_ms: int | None
    seen_ms: int | None
    trips: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The transfers of a mirror that are not finished, and the removals that are held."""

    waiting: dict[str, int]
    failing: int
    oldest_ms: int | None
    held: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What each side of a mirror holds, and its trash."""

    files: int
    items: int
    settling: int
    refused: int
    trashed: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """How many pictures are on both sides, and how many were deleted on one."""

    synced: int
    parted: int


def standing(connection: Connection, mirror: int) -> Standing:
    """Tell how a mirror stands."""
    values = {"mirror": mirror}
    return Standing(
        trouble_since_ms=connection.execute(_TROUBLE, values).scalar(),
        seen_ms=_seen_ms(connection, mirror),
        trips=connection.execute(_TRIPS, values).scalar_one(),
    )


def _seen_ms(connection: Connection, mirror: int) -> int | None:
    """Return when the side that was looked at longer ago was looked at, if both ever were."""
    row = connection.execute(_SEEN, {"mirror": mirror}).first()
    if row is None or not row.scan_complete or row.listed < row.boards:
        return None
    return int(min(row.scanned_ms, row.listed_ms))


def queue(connection: Connection, mirror: int) -> Queue:
    """Count what waits in a mirror."""
    values = {"mirror": mirror}
    rows = connection.execute(_QUEUE, values).all()
    return Queue(
        waiting={row.kind: row.waiting for row in rows},
        failing=sum(row.failing for row in rows),
        oldest_ms=min((row.oldest_ms for row in rows), default=None),
        held=connection.execute(_HELD, values).scalar_one(),
    )


def contents(connection: Connection, mirror: int, layout: Layout) -> Contents:
    """Count what each side of a mirror holds."""
    wanted = [one.name for one in fields(Contents)]
    return Contents(**summary.counts(connection, mirror, layout, wanted))


def pictures(connection: Connection, mirror: int, layout: Layout) -> Pictures:
    """Count a mirror's pictures: each of them is looked up on both sides."""
    wanted = [one.name for one in fields(Pictures)]
    return Pictures(**summary.counts(connection, mirror, layout, wanted))
