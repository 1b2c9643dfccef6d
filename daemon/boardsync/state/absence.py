"""Queries on what is gone: since when a linked file or item is missing, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, text

from boardsync.state.schema import item, link

_ITEM = link.c.item_id.type
_FILE_GONE = text(
    """
    UPDATE link SET file_gone_ms = :now, file_gone_inode =
        (SELECT f.inode FROM file f WHERE f.mirror = link.mirror AND f.path = link.path)
    WHERE mirror = :mirror AND path = :path AND state = 'agreed' AND file_gone_ms IS NULL
    """
)
_FILE_BACK = text(
    """
    UPDATE link SET file_gone_ms = NULL, file_gone_inode = NULL, consent = NULL
    WHERE mirror = :mirror AND path = :path AND file_gone_ms IS NOT NULL
    """
)
_ITEM_GONE = text(
    """
    UPDATE link SET item_gone_ms = :now, item_asked = 0, item_asked_ms = NULL
    WHERE board = :board AND item_id = :item AND state = 'agreed' AND item_gone_ms IS NULL
    """
).bindparams(bindparam("item", type_=_ITEM))
_ITEM_BACK = text(
    """
    UPDATE link SET item_gone_ms = NULL, item_asked = 0, item_asked_ms = NULL, consent = NULL
    WHERE board = :board AND item_id = :item AND item_gone_ms IS NOT NULL
    """
).bindparams(bindparam("item", type_=_ITEM))
_TO_ASK = text(
    """
    SELECT DISTINCT l.item_id FROM link l INDEXED BY link_item_gone
    WHERE l.mirror = :mirror AND l.board = :board AND l.state = 'agreed'
      AND l.item_gone_ms IS NOT NULL AND l.item_asked < :times
      AND coalesce(l.item_asked_ms, 0) <= :before
      AND NOT EXISTS (SELECT 1 FROM item i WHERE i.board = l.board AND i.item_id = l.item_id)
    ORDER BY l.item_id LIMIT :limit
    """
).columns(item.c.item_id)
_ASKED = text(
    """
    UPDATE link SET item_asked = item_asked + 1, item_asked_ms = :now
    WHERE board = :board AND item_id = :item AND state = 'agreed' AND item_gone_ms IS NOT NULL
    """
).bindparams(bindparam("item", type_=_ITEM))
_NEXT = text(
    """
    SELECT min(coalesce(item_asked_ms, 0)) FROM link INDEXED BY link_item_gone
    WHERE mirror = :mirror AND state = 'agreed' AND item_gone_ms IS NOT NULL
      AND item_asked < :times
    """
)
_LATEST_FILE = text(
    """
    SELECT max(file_gone_ms) FROM link INDEXED BY link_file_gone
    WHERE mirror = :mirror AND state = 'agreed' AND file_gone_ms IS NOT NULL
    """
)
_LATEST_ITEM = text(
    """
    SELECT max(item_gone_ms) FROM link INDEXED BY link_item_gone
    WHERE mirror = :mirror AND state = 'agreed' AND item_gone_ms IS NOT NULL
    """
)
_LATEST_OF_ALL = text(
    """
    SELECT
      (SELECT max(file_gone_ms) FROM link INDEXED BY link_file_gone
       WHERE mirror = :mirror AND state = 'agreed' AND file_gone_ms IS NOT NULL),
      (SELECT max(max(item_gone_ms, coalesce(item_asked_ms, 0))) FROM link INDEXED BY link_item_gone
       WHERE mirror = :mirror AND state = 'agreed' AND item_gone_ms IS NOT NULL)
    """
)
_BEGIN_ANEW = (
    text(
        """
        UPDATE link SET file_gone_ms = :now
        WHERE mirror = :mirror AND state = 'agreed' AND file_gone_ms > :now
        """
    ),
    text(
        """
        UPDATE link SET item_gone_ms = min(item_gone_ms, :now),
            item_asked_ms = min(item_asked_ms, :now)
        WHERE mirror = :mirror AND state = 'agreed' AND item_gone_ms IS NOT NULL
          AND (item_gone_ms > :now OR item_asked_ms > :now)
        """
    ),
)

TIMES = 2
"""So often the server has to say that an item is not there."""


def note_files_gone(
    connection: Connection, mirror: int, paths: Sequence[bytes], now_ms: int
) -> None:
    """Record since when linked files are gone. Call it before their observations are forgotten."""
    if paths:
        values = [{"mirror": mirror, "path": path, "now": now_ms} for path in paths]
        connection.execute(_FILE_GONE, values)


def note_files_back(connection: Connection, mirror: int, paths: Sequence[bytes]) -> None:
    """Record that files are there (again), whatever they hold now."""
    if paths and latest_file_gone_ms(connection, mirror) is not None:
        connection.execute(_FILE_BACK, [{"mirror": mirror, "path": path} for path in paths])


def note_items_gone(connection: Connection, board: int, items: Sequence[str], now_ms: int) -> None:
    """Record since when linked items are missing from their board's listing."""
    if items:
        values = [{"board": board, "item": one, "now": now_ms} for one in items]
        connection.execute(_ITEM_GONE, values)


def note_items_back(connection: Connection, board: int, items: Sequence[str]) -> None:
    """Record that items are listed (again)."""
    if items:
        connection.execute(_ITEM_BACK, [{"board": board, "item": one} for one in items])


def items_to_ask_for(
    connection: Connection, mirror: int, board: int, before_ms: int, limit: int
) -> list[str]:
    """Return missing items that the server should be asked for (again).

    before_ms: not those that it was asked for later than this.
    """
    values = {
        "mirror": mirror, "board": board, "before": before_ms, "times": TIMES, "limit": limit,
    }  # fmt: skip
    return list(connection.execute(_TO_ASK, values).scalars())


def note_asked(connection: Connection, board: int, items: Sequence[str], now_ms: int) -> None:
    """Record that the server was asked for items and does not have them there."""
    if items:
        values = [{"board": board, "item": one, "now": now_ms} for one in items]
        connection.execute(_ASKED, values)


def next_asking_ms(connection: Connection, mirror: int, apart_ms: int) -> int | None:
    """Return when the server is to be asked next; None when nothing is in doubt."""
    last = connection.execute(_NEXT, {"mirror": mirror, "times": TIMES}).scalar()
    return None if last is None else int(last) + (apart_ms if last else 0)


def latest_file_gone_ms(connection: Connection, mirror: int) -> int | None:
    """Return when a linked file vanished last, of those that are still gone."""
    return _moment(connection.execute(_LATEST_FILE, {"mirror": mirror}).scalar())


def latest_item_gone_ms(connection: Connection, mirror: int) -> int | None:
    """Return when a linked item vanished last, of those that are still gone."""
    return _moment(connection.execute(_LATEST_ITEM, {"mirror": mirror}).scalar())


def is_ahead(connection: Connection, mirror: int, now_ms: int) -> bool:
    """Tell whether something vanished, or was asked for, later than it is now.

    The clock was set back since.
    """
    found = connection.execute(_LATEST_OF_ALL, {"mirror": mirror}).one()
    return any(one is not None and one > now_ms for one in found)


def begin_anew(connection: Connection, mirror: int, now_ms: int) -> None:
    """Let what seems to have vanished in the future have vanished now."""
    for statement in _BEGIN_ANEW:
        connection.execute(statement, {"mirror": mirror, "now": now_ms})


def _moment(found: object) -> int | None:
    return found if isinstance(found, int) else None
