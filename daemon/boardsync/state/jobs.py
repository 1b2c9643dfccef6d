"""Queries on long jobs: when each was last done, whichever process did it."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from boardsync.state.schema import job


def note_done(connection: Connection, name: str, now_ms: int) -> None:
    """Record that a job was done."""
    fresh = insert(job).values(name=name, done_ms=now_ms)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=["name"], set_={"done_ms": now_ms})
    )


def last_done(connection: Connection) -> dict[str, int]:
    """Return when each job was last done (ms); without those that never were."""
    return {name: int(moment) for name, moment in connection.execute(select(job))}
