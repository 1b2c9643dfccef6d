"""Queries on holds: removals that wait for consent, and to exactly which links.

A hold never grows: when more is to be held, another hold with another number takes its place,
so that consent is given to what was shown and to nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from boardsync.state.rows import new_key
from boardsync.state.schema import held, hold, link

_OPEN = hold.c.resolved_ms.is_(None)
_HELD_LINKS = text(
    """
    SELECT l.id, l.path, l.item_id, b.name FROM held h
    JOIN link l ON l.id = h.link JOIN board b ON b.id = l.board
    WHERE h.hold = :hold ORDER BY l.path LIMIT :limit
    """
).columns(link.c.id, link.c.path, link.c.item_id)
_CONSENT = text("UPDATE link SET consent = :consent WHERE id IN :links").bindparams(
    bindparam("links", expanding=True)
)
CHUNK = 500


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """Removals that wait. side: what would be removed, `item` or `file`."""

    id: int
    mirror: int
    side: str
    reason: str
    since_ms: int
    count: int


def open_holds(connection: Connection, mirrors: Collection[int]) -> list[HoldRecord]:
    """Return the holds that wait for an answer, oldest first."""
    query = (
        select(hold.c.id, hold.c.mirror, hold.c.side, hold.c.reason, hold.c.since_ms)
        .where(hold.c.mirror.in_(mirrors), _OPEN)
        .order_by(hold.c.since_ms, hold.c.id)
    )
    return [HoldRecord(*row, _count(connection, row.id)) for row in connection.execute(query)]


def _count(connection: Connection, number: int) -> int:
    """Return how many links a hold names; it is asked often, and there may be very many."""
    query = select(func.count()).where(held.c.hold == number)
    return int(connection.execute(query).scalar_one())


def subjects(connection: Connection, number: int) -> set[int]:
    """Return the links that a hold names."""
    return set(connection.execute(select(held.c.link).where(held.c.hold == number)).scalars())


def open_subjects(connection: Connection, mirror: int, side: str) -> set[int]:
    """Return the links that wait for an answer on one side of a mirror."""
    current = _open_one(connection, mirror, side)
    return set() if current is None else subjects(connection, current)


def examples(connection: Connection, number: int, limit: int) -> list[tuple[bytes, str, str]]:
    """Return some of what a hold names: path, item and board."""
    rows = connection.execute(_HELD_LINKS, {"hold": number, "limit": limit})
    return [(row.path, row.item_id, row.name) for row in rows]


def keep(
    connection: Connection, mirror: int, side: str, links: Sequence[int], reason: str, now_ms: int
) -> int | None:
    """See to it that the mirror's hold of this side names exactly these links.

    What is in it already and not named any more leaves it. Returns the hold's number, another
    one when links were added, and None when nothing is held any more.
    """
    current = _open_one(connection, mirror, side)
    wanted = set(links)
    before = subjects(connection, current) if current is not None else set()
    if current is not None and wanted and wanted <= before:
        for chunk in _chunks(sorted(before - wanted)):
            connection.execute(delete(held).where(held.c.hold == current, held.c.link.in_(chunk)))
        return current
    since = now_ms
    if current is not None:
        since = connection.execute(select(hold.c.since_ms).where(hold.c.id == current)).scalar_one()
        _resolve(connection, current, "grown" if wanted else "gone by itself", now_ms)
    if not wanted:
        return None
    number = new_key(
        connection.execute(
            insert(hold).values(mirror=mirror, side=side, reason=reason, since_ms=since)
        )
    )
    connection.execute(insert(held), [{"hold": number, "link": one} for one in sorted(wanted)])
    return number


def answer(connection: Connection, number: int, consent: str, now_ms: int) -> int | None:
    """Record a person's answer to a hold, for all it names. Returns for how many links.

    None: there is no such hold, or it was answered or replaced.
    """
    found = connection.execute(select(hold.c.id).where(hold.c.id == number, _OPEN)).first()
    if found is None:
        return None
    links = sorted(subjects(connection, number))
    for chunk in _chunks(links):
        connection.execute(_CONSENT, {"consent": consent, "links": chunk})
    _resolve(connection, number, consent, now_ms)
    return len(links)


def _open_one(connection: Connection, mirror: int, side: str) -> int | None:
    query = select(hold.c.id).where(hold.c.mirror == mirror, hold.c.side == side, _OPEN)
    return connection.execute(query).scalar()


def _resolve(connection: Connection, number: int, resolution: str, now_ms: int) -> None:
    connection.execute(
        update(hold).where(hold.c.id == number).values(resolved_ms=now_ms, resolution=resolution)
    )


def _chunks(links: Sequence[int]) -> list[Sequence[int]]:
    return [links[start : start + CHUNK] for start in range(0, len(links), CHUNK)]
