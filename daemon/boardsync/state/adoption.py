"""Queries for taking over a board that somebody else filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from boardsync.state.schema import decode_name, item

_FREE = """
    SELECT i.item_id, i.version, i.width, i.height, i.size FROM item i
    WHERE i.board = :board AND i.read = 1 AND i.mark IS NULL AND NOT i.intermediate
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
                      AND (l.version = i.version OR l.state = 'agreed'))
      AND NOT EXISTS (SELECT 1 FROM board h JOIN board o ON o.mirror = h.mirror
                      JOIN link l ON l.board = o.id AND l.item_id = i.item_id
                      WHERE h.id = i.board AND o.current AND o.id <> h.id
                      AND l.version = i.version AND l.state = 'agreed')
      AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.board = i.board AND t.item_id = i.item_id
                      AND t.state NOT IN ('done', 'refused', 'dropped'))
"""
_FREE_ITEMS = text(_FREE + " ORDER BY i.created_ms, i.item_id")
_FREE_ITEM = text(_FREE + " AND i.item_id = :item AND i.version = :version").bindparams(
    bindparam("item", type_=item.c.item_id.type)
)


@dataclass(frozen=True, slots=True)
class FreeItem:
    """A described item without a mark that nothing was linked to and nothing is done about."""

    item_id: str
    version: str
    width: int | None
    height: int | None
    size: int | None


def free_items(connection: Connection, board: int) -> Iterator[FreeItem]:
    """Yield a board's free items, oldest first."""
    for row in connection.execute(_FREE_ITEMS, {"board": board}):
        yield _free(row)


def is_free(connection: Connection, board: int, item_id: str, version: str) -> bool:
    """Tell whether an item is still free."""
    values = {"board": board, "item": item_id, "version": version}
    return connection.execute(_FREE_ITEM, values).first() is not None


def _free(row: Row[Any]) -> FreeItem:
    return FreeItem(decode_name(row.item_id), row.version, row.width, row.height, row.size)
