"""Queries on links: the record that a file and an item are the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from boardsync.model import LinkState
from boardsync.state.records import LinkRecord
from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import link

_COLUMNS = tuple(link.c[name] for name in LinkRecord.__dataclass_fields__)

# Built once: making a statement costs more than carrying it out, and every upload agrees.
_OF_PATH = (link.c.mirror == bindparam("of_mirror")) & (link.c.path == bindparam("of_path"))
_THIS_ITEM = (link.c.digest == bindparam("of_digest")) & (link.c.item_id == bindparam("of_item"))
_ON_BOARD = link.c.board == bindparam("of_board")
_SAME = select(link.c.id).where(_OF_PATH, _THIS_ITEM, _ON_BOARD)
_SUPERSEDE_OTHERS = (
    update(link)
    .where(_OF_PATH, ~_THIS_ITEM, _ON_BOARD, link.c.state == LinkState.AGREED.value)
    .values(state=LinkState.SUPERSEDED.value, since_ms=bindparam("now_ms"))
)
_INSERT = insert(link)


@dataclass(frozen=True, slots=True)
class NewLink:
    """What an agreement records. made: `push`, `pull` or `found`."""

    mirror: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    made: str
    sent: str | None = None
    pixels: str | None = None
    recipe: str | None = None
    run: int | None = None


def agree(connection: Connection, new: NewLink, now_ms: int) -> int:
    """Record that both sides hold this picture; an earlier picture of the path is superseded.

    Agreeing twice changes nothing. Returns the link's number.
    """
    subject = {
        "of_mirror": new.mirror, "of_path": new.path, "of_digest": new.digest,
        "of_board": new.board, "of_item": new.item_id,
    }  # fmt: skip
    connection.execute(_SUPERSEDE_OTHERS, subject | {"now_ms": now_ms})
    same = connection.execute(_SAME, subject).scalar()
    values = {name: getattr(new, name) for name in NewLink.__dataclass_fields__}
    if same is not None:
        kept = {k: v for k, v in values.items() if v is not None}
        connection.execute(
            update(link)
            .where(link.c.id == same)
            .values(**kept, state=LinkState.AGREED.value, since_ms=now_ms)
        )
        return int(same)
    values |= {"state": LinkState.AGREED.value, "since_ms": now_ms}
    return new_key(connection.execute(_INSERT, values))


def of_path(connection: Connection, mirror: int, path: bytes) -> list[LinkRecord]:
    """Return a file's links, newest first."""
    query = select(*_COLUMNS).where(link.c.mirror == mirror, link.c.path == path)
    return _records(connection, query.order_by(link.c.id.desc()))


def of_item(connection: Connection, board: int, item_id: str) -> list[LinkRecord]:
    """Return an item's links, newest first."""
    query = select(*_COLUMNS).where(link.c.board == board, link.c.item_id == item_id)
    return _records(connection, query.order_by(link.c.id.desc()))


def of_digest(connection: Connection, mirror: int, digest: str) -> list[LinkRecord]:
    """Return the links of a picture, wherever its files lie."""
    query = select(*_COLUMNS).where(link.c.mirror == mirror, link.c.digest == digest)
    return _records(connection, query.order_by(link.c.id.desc()))


def of_run(connection: Connection, run: int, limit: int) -> list[LinkRecord]:
    """Return the links that a run made."""
    return _records(
        connection, select(*_COLUMNS).where(link.c.run == run).order_by(link.c.id).limit(limit)
    )


def linked_since(connection: Connection, mirror: int, paths: Sequence[bytes]) -> dict[bytes, int]:
    """Return, for those of the paths that were ever linked, when that last changed (ms)."""
    query = (
        select(link.c.path, func.max(link.c.since_ms))
        .where(link.c.mirror == mirror, link.c.path.in_(paths))
        .group_by(link.c.path)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def newest(connection: Connection) -> int:
    """Return the number of the newest link; 0 before the first."""
    return int(connection.execute(select(func.max(link.c.id))).scalar() or 0)


def items_linked_since(connection: Connection, board: int, number: int) -> set[str]:
    """Return the items of a board whose links are newer than a link's number."""
    query = select(link.c.item_id).where(link.c.board == board, link.c.id > number)
    return set(connection.execute(query).scalars())


def is_linked(connection: Connection, board: int, item_id: str) -> bool:
    """Tell whether an item already belongs to a file."""
    query = select(link.c.id).where(
        link.c.board == board, link.c.item_id == item_id, link.c.state == LinkState.AGREED.value
    )
    return connection.execute(query.limit(1)).first() is not None


def forget(connection: Connection, number: int) -> None:
    """Forget a link, so that its picture is decided anew. Only `boardsync again` does this."""
    connection.execute(link.delete().where(link.c.id == number))


def _records(connection: Connection, query: Any) -> list[LinkRecord]:
    rows = connection.execute(query).all()
    return [to_record(LinkRecord, row) for row in rows]
