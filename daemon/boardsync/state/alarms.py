"""Queries on alarms: what lasts, since when, and whether somebody was told of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.state.schema import alarm


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """Something that lasts. told_ms: when somebody was told; None for what waits for it."""

    cause: str
    words: str
    since_ms: int
    told_ms: int | None


def kept(connection: Connection) -> list[AlarmRecord]:
    """Return all that is kept, the oldest first."""
    query = select(alarm.c.cause, alarm.c.words, alarm.c.since_ms, alarm.c.told_ms)
    rows = connection.execute(query.order_by(alarm.c.since_ms, alarm.c.cause))
    return [AlarmRecord(*row) for row in rows]


def keep(connection: Connection, records: Iterable[AlarmRecord]) -> None:
    """Keep what lasts. What is kept already stays as it is."""
    for one in records:
        values = {
            "cause": one.cause, "words": one.words, "since_ms": one.since_ms,
            "told_ms": one.told_ms,
        }  # fmt: skip
        connection.execute(insert(alarm).values(**values).on_conflict_do_nothing())


def note_told(connection: Connection, causes: Collection[str], now_ms: int) -> None:
    """Record that somebody was told."""
    connection.execute(update(alarm).where(alarm.c.cause.in_(causes)).values(told_ms=now_ms))


def forget(connection: Connection, causes: Collection[str]) -> None:
    """Forget what is over."""
    connection.execute(delete(alarm).where(alarm.c.cause.in_(causes)))
