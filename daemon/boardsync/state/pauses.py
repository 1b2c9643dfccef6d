"""Queries on pauses: what a person stopped for a while, a mirror, a server or all.

A mirror is named by its id, which survives its renaming.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from boardsync.state.schema import pause

ALL, SERVER, MIRROR = "all", "server", "mirror"


@dataclass(frozen=True, slots=True)
class PauseRecord:
    """A pause. name: of the server, the id of the mirror, or nothing. until_ms: None for no end."""

    scope: str
    name: str
    since_ms: int
    until_ms: int | None

    def lasts(self, now_ms: int) -> bool:
        """Tell whether it has not ended by itself."""
        return self.until_ms is None or now_ms < self.until_ms

    def stops(self, mirror: str, server: str) -> bool:
        """Tell whether a mirror of a server is meant."""
        return (self.scope, self.name) in ((ALL, ""), (SERVER, server), (MIRROR, mirror))


def begin(
    connection: Connection, scope: str, name: str, now_ms: int, until_ms: int | None
) -> None:  # fmt: skip
    """Pause something. What is paused already stays so since when it was, up to the new end."""
    forget_ended(connection, now_ms)
    new = insert(pause).values(scope=scope, name=name, since_ms=now_ms, until_ms=until_ms)
    connection.execute(
        new.on_conflict_do_update(index_elements=["scope", "name"], set_={"until_ms": until_ms})
    )


def end(connection: Connection, scope: str, name: str) -> int:
    """End one pause. Returns how many there were."""
    query = delete(pause).where(pause.c.scope == scope, pause.c.name == name)
    return connection.execute(query).rowcount


def end_all(connection: Connection) -> int:
    """End every pause. Returns how many there were."""
    return connection.execute(delete(pause)).rowcount


def forget_ended(connection: Connection, now_ms: int) -> None:
    """Forget the pauses that have ended by themselves."""
    connection.execute(delete(pause).where(pause.c.until_ms <= now_ms))


def begin_anew(connection: Connection, now_ms: int) -> None:
    """Let pauses from before the clock was set back last from now on, as long as they were to."""
    for one in _recorded(connection):
        if one.since_ms > now_ms:
            until = None if one.until_ms is None else now_ms + one.until_ms - one.since_ms
            end(connection, one.scope, one.name)
            begin(connection, one.scope, one.name, now_ms, until)


def lasting(connection: Connection, now_ms: int) -> list[PauseRecord]:
    """Return the pauses that have not ended, the oldest first."""
    return [one for one in _recorded(connection) if one.lasts(now_ms)]


def pause_of(
    connection: Connection, mirror: str, server: str, now_ms: int
) -> PauseRecord | None:  # fmt: skip
    """Return the pause that stops a mirror (by its id) of a server for longest, if any does."""
    return longest([one for one in lasting(connection, now_ms) if one.stops(mirror, server)])


def longest(found: list[PauseRecord]) -> PauseRecord | None:
    """Return the pause that ends last."""
    endless = [one for one in found if one.until_ms is None]
    return endless[0] if endless else max(found, key=lambda one: one.until_ms or 0, default=None)


def _recorded(connection: Connection) -> list[PauseRecord]:
    query = select(pause).order_by(pause.c.since_ms, pause.c.scope, pause.c.name)
    return [PauseRecord(*row) for row in connection.execute(query)]
