"""Queries on the trash: what was removed on purpose, where it is now, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Select, Update, bindparam, func, insert, select, update

from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import trash

FILE, ITEM = "file", "item"
TRASHED, RESTORED, PURGED = "trashed", "restored", "purged"


@dataclass(frozen=True, slots=True)
class TrashRecord:
    """A picture that was removed.

    run: the one that put it there, or took it out again. side: `file` or `item`. path, board,
    item_id, version: where it was, as it was linked, and where it is since it was taken out.
    place: a file's absolute path in the local trash. trashed_id: an item's id in the server's
    trash. guarded: whether it counts for the guard. error: why it could not be purged.
    """

    id: int
    mirror: int
    run: int | None
    side: str
    state: str
    reason: str
    guarded: bool
    link: int | None
    path: bytes | None
    digest: str | None
    board: int
    item_id: str | None
    version: str
    place: bytes | None
    trashed_id: str | None
    size: int | None
    since_ms: int
    updated_ms: int
    error: str | None


_COLUMNS = tuple(trash.c[name] for name in TrashRecord.__dataclass_fields__)

# Built once: making a statement costs more than carrying it out, and thousands are restored.
_FIND = select(*_COLUMNS).where(trash.c.id == bindparam("number"))


def add(connection: Connection, now_ms: int, **values: object) -> int:
    """Record that a picture was put into the trash. Returns its number."""
    fixed = {"state": TRASHED, "since_ms": now_ms, "updated_ms": now_ms}
    return new_key(connection.execute(insert(trash).values(**values, **fixed)))


def change(connection: Connection, number: int, now_ms: int, **values: object) -> None:
    """Record what became of something in the trash."""
    named = {f"to_{name}": value for name, value in values.items()}
    given = named | {"number": number, "to_updated_ms": now_ms}
    connection.execute(_changing((*values, "updated_ms")), given)


@cache
def _changing(names: tuple[str, ...]) -> Update:
    """Build the statement that changes some columns of an entry: once."""
    taken: dict[str, object] = {name: bindparam(f"to_{name}") for name in names}
    return update(trash).where(trash.c.id == bindparam("number")).values(**taken)


def forget(connection: Connection, number: int) -> None:
    """Forget an entry of something that was not put into the trash after all."""
    connection.execute(trash.delete().where(trash.c.id == number))


def find(connection: Connection, number: int) -> TrashRecord | None:
    """Return one entry."""
    row = connection.execute(_FIND, {"number": number}).first()
    return None if row is None else to_record(TrashRecord, row)


def find_item(connection: Connection, board: int, trashed_id: str) -> TrashRecord | None:
    """Return the entry of an item that lies in the server's trash under an id."""
    query = _lying().where(trash.c.board == board, trash.c.trashed_id == trashed_id)
    row = connection.execute(query.order_by(trash.c.id.desc())).first()
    return None if row is None else to_record(TrashRecord, row)


def of_mirror(connection: Connection, mirror: int, limit: int) -> list[TrashRecord]:
    """Return what lies in a mirror's trash, newest first."""
    query = _lying().where(trash.c.mirror == mirror).order_by(trash.c.id.desc())
    return _records(connection, query.limit(limit))


def of_run(connection: Connection, run: int, state: str = TRASHED) -> list[TrashRecord]:
    """Return what a run put into the trash and what still lies there, in its order.

    state: or what it took out of the trash, or put there and was purged since.
    """
    query = select(*_COLUMNS).where(trash.c.run == run, trash.c.state == state)
    return _records(connection, query.order_by(trash.c.id))


def of_link(
    connection: Connection, link: int, states: Collection[str] = (TRASHED,)
) -> list[TrashRecord]:
    """Return what lies in the trash of a link's two sides, newest first.

    states: or also what was taken out, or purged.
    """
    query = select(*_COLUMNS).where(trash.c.link == link, trash.c.state.in_(states))
    return _records(connection, query.order_by(trash.c.id.desc()))


def older_than(
    connection: Connection, mirror: int, before_ms: int, limit: int, after: int = 0
) -> list[TrashRecord]:
    """Return what has lain there since before a moment, in order of its numbers after `after`."""
    query = _lying().where(
        trash.c.mirror == mirror, trash.c.since_ms < before_ms, trash.c.id > after
    )
    return _records(connection, query.order_by(trash.c.id).limit(limit))


def restored_by(connection: Connection, runs: Collection[int]) -> dict[int, int]:
    """Return how many pictures each of some runs took out of the trash; without those of none."""
    query = (
        select(trash.c.run, func.count())
        .where(trash.c.run.in_(runs), trash.c.state == RESTORED)
        .group_by(trash.c.run)
    )
    return {int(number): int(count) for number, count in connection.execute(query)}


def kept_keys(connection: Connection, mirrors: Collection[int]) -> set[str]:
    """Return under which keys the pictures of some mirrors' trash are saved on this machine."""
    query = select(trash.c.trashed_id).where(
        trash.c.mirror.in_(mirrors), trash.c.state == TRASHED, trash.c.trashed_id.is_not(None)
    )
    return {str(one).rpartition("/")[2] for one in connection.execute(query).scalars()}


def count(connection: Connection, mirror: int) -> tuple[int, int]:
    """Return how many pictures lie in a mirror's trash, and their bytes as far as known."""
    query = select(func.count(), func.coalesce(func.sum(trash.c.size), 0)).where(
        trash.c.mirror == mirror, trash.c.state == TRASHED
    )
    row = connection.execute(query).one()
    return int(row[0]), int(row[1])


def removed_since(connection: Connection, mirror: int, side: str, since_ms: int) -> int:
    """Return how many pictures the guard has let through since a moment."""
    query = select(func.count()).where(
        trash.c.mirror == mirror,
        trash.c.side == side,
        trash.c.guarded,
        trash.c.state != RESTORED,
        trash.c.since_ms >= since_ms,
    )
    return int(connection.execute(query).scalar() or 0)


def _lying() -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).where(trash.c.state == TRASHED)


def _records(
    connection: Connection, query: Select[tuple[object, ...]]
) -> list[TrashRecord]:  # fmt: skip
    return [to_record(TrashRecord, row) for row in connection.execute(query)]
