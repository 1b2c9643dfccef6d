"""Rows that nobody needs: what they speak of is not there any more."""

from __future__ import annotations

from sqlalchemy import Connection, text

_ORPHANS = {
    "held removals without a link": (
        "held",
        "NOT EXISTS (SELECT 1 FROM link l WHERE l.id = held.link)",
    ),
    "transfers of links that are gone": (
        "transfer",
        (
            "state = 'ready' AND link IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM link l WHERE l.id = transfer.link)"
        ),
    ),
    "doubts about items that are gone": (
        "unproven",
        (
            "NOT EXISTS (SELECT 1 FROM item i WHERE i.board = unproven.board"
            " AND i.item_id = unproven.item_id)"
        ),
    ),
    "rot of files that are gone": (
        "rot",
        (
            "noticed_ms < :before AND NOT EXISTS"
            " (SELECT 1 FROM file f WHERE f.mirror = rot.mirror AND f.path = rot.path)"
        ),
    ),
    "items that strayed and are linked no more": (
        "strayed",
        (
            "NOT EXISTS (SELECT 1 FROM link l WHERE l.id = strayed.link"
            " AND l.state = 'agreed' AND l.version = strayed.version)"
        ),
    ),
}
"""By their name in words: the table, and which of its rows they are."""


def count(connection: Connection, before_ms: int) -> dict[str, int]:
    """Count rows that nobody needs, by what they are; before_ms: only so old ones."""
    found = {
        words: int(_run(connection, f"SELECT count(*) FROM {table} WHERE {which}", before_ms))
        for words, (table, which) in _ORPHANS.items()
    }
    return {words: number for words, number in found.items() if number}


def remove(connection: Connection, before_ms: int) -> dict[str, int]:
    """Remove them; return how many there were, by what they were."""
    found = count(connection, before_ms)
    for words in found:
        table, which = _ORPHANS[words]
        values = {"before": before_ms} if ":before" in which else {}
        connection.execute(text(f"DELETE FROM {table} WHERE {which}"), values)
    return found


def _run(connection: Connection, query: str, before_ms: int) -> int:
    values = {"before": before_ms} if ":before" in query else {}
    return int(connection.execute(text(query), values).scalar() or 0)


def broken_references(connection: Connection) -> int:
    """Count rows that name others which are not there, as SQLite sees it."""
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall())


def table_counts(connection: Connection) -> dict[str, int]:
    """Count the rows of every table."""
    names = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name"
    ).scalars()
    return {
        str(name): int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar() or 0)
        for name in list(names)
    }


def newest_change_ns(connection: Connection) -> int | None:
    """Return the newest moment at which a file's record changed, by its filesystem's clock."""
    found = connection.execute(text("SELECT max(ctime_ns) FROM file")).scalar()
    return None if found is None else int(found)


def unknown_mirrors(connection: Connection, keys: set[str]) -> list[str]:
    """Return the ids of mirrors that the settings do not name, with links all the same."""
    query = "SELECT key FROM mirror m WHERE EXISTS (SELECT 1 FROM link l WHERE l.mirror = m.id)"
    return sorted(str(key) for key in connection.execute(text(query)).scalars() if key not in keys)
