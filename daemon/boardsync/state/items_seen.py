"""Queries on observations of items: what was last seen of them on their boards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    exists,
    func,
    select,
    text,
    update,
)

from boardsync.model import Entry, Item, LinkState, Mark
from boardsync.plan.tokens import mirror_prefix, token_for
from boardsync.state import schema
from boardsync.state.rows import upsert
from boardsync.state.schema import decode_name, item, link

CHUNK = 500
# The index is named for the reason that `observations` gives.
_UNREAD = (
    text(
        """
    SELECT item_id FROM item INDEXED BY item_unread
    WHERE board = :board AND read = 0 AND item_id > :after ORDER BY item_id LIMIT :limit
    """
    )
    .bindparams(bindparam("after", type_=item.c.item_id.type))
    .columns(item.c.item_id)
)

# Built once: making a statement costs more than carrying it out.
_SEE_ENTRIES = upsert(item, ("board", "item_id"), ("version",), read=False)
_DESCRIBE = upsert(
    item,
    ("board", "item_id"),
    (name for name in item.c.keys() if name not in ("board", "item_id")),  # noqa: SIM118
)


_FIND_ITEM = (
    select(item, schema.board.c.server_id)
    .join(schema.board, schema.board.c.id == item.c.board)
    .where(item.c.board == bindparam("of_board"), item.c.item_id == bindparam("of_item"))
)


def known_items(connection: Connection, board: int) -> dict[str, str]:
    """Return the items of the last listing: id to version."""
    rows = connection.exec_driver_sql("SELECT item_id, version FROM item WHERE board = ?", (board,))
    return {decode_name(row[0]): row[1] for row in rows}


def maybe_ours(
    connection: Connection, mirror_key: str, board: int, item_ids: Sequence[str]
) -> list[str]:  # fmt: skip
    """Return those of some items that were never read, or are a mirror's and agree with no file."""
    first = mirror_prefix(mirror_key)
    ours = (item.c.token >= first) & (item.c.token < first + "~")
    agreed = exists().where(
        link.c.board == board,
        link.c.item_id == item.c.item_id,
        link.c.state == LinkState.AGREED.value,
    )
    query = select(item.c.item_id).where(
        item.c.board == board,
        (item.c.read == 0) | (ours & ~agreed),
        item.c.item_id.in_(bindparam("ids", expanding=True)),
    )
    found: list[str] = []
    for start in range(0, len(item_ids), CHUNK):
        chunk = item_ids[start : start + CHUNK]
        found += connection.execute(query, {"ids": chunk}).scalars()
    return found


def see_entries(connection: Connection, board: int, entries: Sequence[Entry]) -> None:
    """Record new or changed items of a listing, not yet described."""
    if not entries:
        return
    connection.execute(
        _SEE_ENTRIES,
        [{"board": board, "item_id": e.item_id, "version": e.version} for e in entries],
    )


def carry_over(connection: Connection, board: int, item_id: str, to_board: int, now: Item) -> None:
    """Record that an item lies on another board, or has another id: `now` is what it is now.

    Its mark goes along. If it was not read yet, or forgotten since a listing lacks it, it is to
    be read where it is now.
    """
    found = {"of_board": board, "of_item": item_id}
    row = connection.execute(_FIND_ITEM, found).first()
    forget_items(connection, board, [item_id])
    if row is not None and row.read:
        describe_items(connection, to_board, [(now, parse_mark(row.mark))])
    else:
        see_entries(connection, to_board, [Entry(now.item_id, now.version)])


def forget_items(connection: Connection, board: int, item_ids: Sequence[str]) -> None:
    """Record that items are not listed any more. Their links stay."""
    if item_ids:
        connection.execute(
            delete(item).where(item.c.board == board, item.c.item_id == bindparam("gone")),
            [{"gone": item_id} for item_id in item_ids],
        )


def unread_items(connection: Connection, board: int, limit: int, after: str = "") -> list[str]:
    """Return items that are listed but whose description and mark were not read yet, by id."""
    values = {"board": board, "after": after, "limit": limit}
    return list(connection.execute(_UNREAD, values).scalars())


def describe_items(
    connection: Connection, board: int, described: Sequence[tuple[Item, Mark | None]]
) -> None:
    """Record what the server says of items, and their marks."""
    rows = [_item_values(board, one, mark) for one, mark in described]
    if rows:
        connection.execute(_DESCRIBE, rows)


def _item_values(board: int, one: Item, mark: Mark | None) -> dict[str, object]:
    return {
        "board": board,
        "item_id": one.item_id,
        "version": one.version,
        "read": True,
        "mark": None if mark is None else _packed(mark),
        "token": None if mark is None else mark.token,
        "width": one.width,
        "height": one.height,
        "created_ms": one.created_ms,
        "category": one.category,
        "intermediate": one.intermediate,
        "starred": one.starred,
        "origin": one.origin,
        "extension": one.extension,
        "size": one.size,
    }


def _packed(mark: Mark) -> str:
    """Write a mark without what follows from the rest of it: there are as many as items."""
    implied = _implied(mark.mirror, mark.file)
    told = {name: getattr(mark, name) for name in Mark.__dataclass_fields__}
    kept = {name: value for name, value in told.items() if value != implied.get(name)}
    return json.dumps(kept, separators=(",", ":"))


def parse_mark(packed: str | None) -> Mark | None:
    """Read a mark back from the state."""
    if packed is None:
        return None
    kept = json.loads(packed)
    return Mark(**(_implied(kept["mirror"], kept["file"]) | kept))


def _implied(mirror: str, digest: str) -> dict[str, Any]:
    """Return what a mark says of a picture that was sent as it is, besides whose it is."""
    return {
        "token": token_for(mirror, digest),
        "sent": digest,
        "recipe": "original",
        "version": 1,
        "name": None,
    }


def recipes(connection: Connection, board: int, item_ids: Sequence[str]) -> dict[str, str]:
    """Return, of items that were not sent as they are, how their marks say they were prepared."""
    told: dict[str, str] = {}
    for start in range(0, len(item_ids), CHUNK):
        chunk = item_ids[start : start + CHUNK]
        query = select(item.c.item_id, item.c.mark).where(
            item.c.board == board, item.c.item_id.in_(chunk), item.c.mark.contains('"recipe"')
        )
        for row in connection.execute(query):
            mark = parse_mark(row.mark)
            if mark is not None:
                told[row.item_id] = mark.recipe
    return told


def newest_created_ms(connection: Connection, board: int) -> int | None:
    """Return when, by the server's clock, the newest known item of a board was made."""
    query = select(func.max(item.c.created_ms)).where(item.c.board == board)
    return connection.execute(query).scalar()


def starred_items(connection: Connection, board: int) -> set[str]:
    """Return the items that were starred when they were last looked at."""
    query = select(item.c.item_id).where(item.c.board == board, item.c.starred)
    return set(connection.execute(query).scalars())


def note_stars(connection: Connection, board: int, changes: Mapping[str, bool]) -> int:
    """Record stars that were set, or taken off; return of how many known items."""
    query = update(item).where(item.c.board == board, item.c.item_id == bindparam("of"))
    changed = 0
    for item_id, starred in changes.items():
        changed += connection.execute(query.values(starred=starred), {"of": item_id}).rowcount
    return changed


def find_item(connection: Connection, board: int, item_id: str) -> tuple[Item, Mark | None] | None:
    """Return what was last seen of one item."""
    row = connection.execute(_FIND_ITEM, {"of_board": board, "of_item": item_id}).first()
    if row is None:
        return None
    return (
        Item(
            item_id=row.item_id,
            board_id=row.server_id,
            version=row.version,
            width=row.width,
            height=row.height,
            created_ms=row.created_ms,
            category=row.category,
            intermediate=row.intermediate,
            starred=row.starred,
            origin=row.origin,
            extension=row.extension or "",
            size=row.size,
        ),
        parse_mark(row.mark),
    )
