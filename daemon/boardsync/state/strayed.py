"""Queries on what is verified: linked items, and those that do not show what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.model import LinkState
from boardsync.state.rows import to_record
from boardsync.state.schema import board, link, strayed

REMEDY = (
    "`boardsync again PATH` puts it into the trash and sends the file anew; one that was pulled or"
    " adopted is taken as it is then"
)


@dataclass(frozen=True, slots=True)
class Verifiable:
    """A linked picture. made: `push`, `pull` or `found`. digest: of the file.

    sent: digest of what was sent, where that is known; pixels: of what the item showed when it
    was adopted. recipe: how it was prepared.
    """

    id: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    made: str
    sent: str | None
    pixels: str | None
    recipe: str | None
    since_ms: int


@dataclass(frozen=True, slots=True)
class Strayed:
    """An item that does not show what was sent. words: what it shows instead."""

    path: bytes
    item_id: str
    words: str
    noticed_ms: int


_COLUMNS = tuple(link.c[name] for name in Verifiable.__dataclass_fields__)
_STILL = (
    link.c.id == strayed.c.link,
    link.c.state == LinkState.AGREED.value,
    link.c.version == strayed.c.version,
)


def linked_of(connection: Connection, mirror: int) -> int:
    """Count a mirror's linked pictures on boards that are its own now."""
    query = select(func.count()).select_from(link.join(board, link.c.board == board.c.id))
    found = connection.execute(query.where(*_agreed(mirror))).scalar()
    return int(found or 0)


def page(
    connection: Connection, mirror: int, limit: int, after: int = 0, skip: int = 0
) -> list[Verifiable]:
    """Return linked pictures in order of their numbers, from `after` on. skip: so many not."""
    query = (
        select(*_COLUMNS)
        .select_from(link.join(board, link.c.board == board.c.id))
        .where(*_agreed(mirror), link.c.id > after)
        .order_by(link.c.id)
        .limit(limit)
        .offset(skip)
    )
    return [to_record(Verifiable, row) for row in connection.execute(query)]


def note(
    connection: Connection, one: Verifiable, words: str, shown: str | None, now_ms: int
) -> bool:
    """Record that an item strayed; tell whether that is news.

    shown: the digest that it was compared by; None where it shows nothing.
    """
    row = {
        "link": one.id, "version": one.version, "words": words, "shown": shown,
        "noticed_ms": now_ms,
    }  # fmt: skip
    columns = (strayed.c.version, strayed.c.words)
    known = connection.execute(select(*columns).where(strayed.c.link == one.id)).first()
    if known is not None and (known.version, known.words) == (one.version, words):
        return False
    fresh = insert(strayed).values(row)
    connection.execute(fresh.on_conflict_do_update(index_elements=["link"], set_=row))
    return True


def accept(connection: Connection, number: int) -> bool:
    """Take an item as it is from now on; tell whether it had strayed."""
    row = connection.execute(select(strayed.c.shown).where(*_STILL, link.c.id == number)).first()
    if row is None:
        return False
    if row.shown is not None:
        taken = {"sent": row.shown, "pixels": row.shown}
        connection.execute(update(link).where(link.c.id == number).values(taken))
    forget(connection, [number])
    return True


def forget(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget it of links whose items were seen to be right."""
    if numbers:
        connection.execute(delete(strayed).where(strayed.c.link.in_(numbers)))


def of_mirror(connection: Connection, mirror: int, limit: int) -> list[Strayed]:
    """Return the items that strayed and are linked still, the newest first."""
    query = (
        select(link.c.path, link.c.item_id, strayed.c.words, strayed.c.noticed_ms)
        .where(link.c.mirror == mirror, *_STILL)
        .order_by(strayed.c.noticed_ms.desc(), strayed.c.link)
        .limit(limit)
    )
    return [to_record(Strayed, row) for row in connection.execute(query)]


def words_of(connection: Connection, number: int) -> str | None:
    """Return what is known of a link's item, if it strayed."""
    query = select(strayed.c.words).where(*_STILL, strayed.c.link == number)
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def _agreed(mirror: int) -> tuple[ColumnElement[bool], ...]:
    return (link.c.mirror == mirror, link.c.state == LinkState.AGREED.value, board.c.current)
