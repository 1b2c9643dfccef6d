"""Queries on items of ours that were found on a board and not seen whole yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, text, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.model import Item, Mark
from boardsync.state.items_seen import find_item
from boardsync.state.schema import item, unproven

_NOTE = insert(unproven).on_conflict_do_nothing()
_PROVE = delete(unproven).where(
    unproven.c.board == bindparam("of_board"), unproven.c.item_id == bindparam("of_item")
)
_FOLLOW = (
    update(unproven)
    .prefix_with("OR REPLACE")
    .where(unproven.c.board == bindparam("of_board"), unproven.c.item_id == bindparam("of_item"))
    .values(board=bindparam("new_board"), item_id=bindparam("new_id"))
)
# What an upload under way carries is settled by its look-up.
_NEWEST = (
    text(
        """
    SELECT u.item_id, u.since_ms FROM unproven u
    JOIN item i ON i.board = u.board AND i.item_id = u.item_id
    WHERE u.board = :board AND i.read = 1 AND NOT EXISTS (
        SELECT 1 FROM transfer t WHERE t.board = u.board AND t.token = i.token
        AND t.kind = 'upload' AND t.state NOT IN ('done', 'refused', 'dropped'))
    ORDER BY i.created_ms DESC, u.item_id LIMIT :limit
    """
    )
    .columns(item.c.item_id, unproven.c.since_ms)
)  # fmt: skip
_GONE = text(
    """
    DELETE FROM unproven WHERE board = :board AND NOT EXISTS (
        SELECT 1 FROM item i WHERE i.board = unproven.board AND i.item_id = unproven.item_id)
    """
)


@dataclass(frozen=True, slots=True)
class Unproven:
    """An item, its mark if it still has one, and since when it is known to us."""

    item: Item
    mark: Mark | None
    since_ms: int


def note(connection: Connection, board: int, item_ids: Sequence[str], now_ms: int) -> None:
    """Record items that are to be seen whole."""
    if item_ids:
        rows = [{"board": board, "item_id": one, "since_ms": now_ms} for one in item_ids]
        connection.execute(_NOTE, rows)


def prove(connection: Connection, board: int, item_ids: Sequence[str]) -> None:
    """Record that items are whole, or no concern any more."""
    if item_ids:
        connection.execute(_PROVE, [{"of_board": board, "of_item": one} for one in item_ids])


def follow(
    connection: Connection, board: int, item_id: str, new_board: int, new_id: str
) -> None:  # fmt: skip
    """Record that an item that is to be seen whole has another id, or lies on another board."""
    values = {"of_board": board, "of_item": item_id, "new_board": new_board, "new_id": new_id}
    connection.execute(_FOLLOW, values)


def newest(connection: Connection, board: int, limit: int) -> list[Unproven]:
    """Return the newest items to be seen whole, by the server's clock."""
    found = []
    for row in connection.execute(_NEWEST, {"board": board, "limit": limit}).all():
        seen = find_item(connection, board, row.item_id)
        if seen is not None:
            found.append(Unproven(*seen, row.since_ms))
    return found


def forget_gone(connection: Connection, board: int) -> None:
    """Forget what a listing does not tell of any more."""
    connection.execute(_GONE, {"board": board})
