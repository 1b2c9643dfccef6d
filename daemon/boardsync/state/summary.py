"""Queries that count: how a mirror stands, without lying.

What there are as many of as pictures is counted by triggers as it changes, and of each link it is
noted which side is there. Where SQLite would go through the wrong table first, the queries name
their indexes, and the order of their tables (CROSS JOIN).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, text

from boardsync.plan.layout import Layout
from boardsync.state.homes import home_values, subfolder_of
from boardsync.state.records import Tally
from boardsync.state.schema import OUT_OF_STEP

_UNREADABLE = """
    SELECT count(*) FROM failed_reading r
    CROSS JOIN file f ON f.mirror = r.mirror AND f.path = r.path
    WHERE r.mirror = :mirror AND f.hashed_ns IS NULL"""
_COUNTS = {
    "files": "SELECT coalesce((SELECT files FROM mirror WHERE id = :mirror), 0)",
    "file_bytes": "SELECT coalesce((SELECT file_bytes FROM mirror WHERE id = :mirror), 0)",
    # What cannot be read does not change: it fails.
    "settling": f"""
        SELECT (SELECT count(*) FROM file INDEXED BY file_unhashed
                WHERE mirror = :mirror AND hashed_ns IS NULL)
             - ({_UNREADABLE})""",
    # A refused upload is told by its file, a refused download only by its transfer.
    "refused": """
        SELECT (SELECT count(*) FROM file INDEXED BY file_refused
                WHERE mirror = :mirror AND refusal IS NOT NULL)
             + (SELECT count(*) FROM transfer WHERE mirror = :mirror AND state = 'refused'
                AND kind = 'download')""",
    "items": """
        SELECT coalesce(sum(items), 0) FROM board b WHERE b.mirror = :mirror AND b.current""",
    "unread": """
        SELECT count(*) FROM item i JOIN board b ON b.id = i.board
        WHERE b.mirror = :mirror AND b.current AND i.read = 0""",
    "unproven": """
        SELECT count(*) FROM unproven u JOIN item i ON i.board = u.board AND i.item_id = u.item_id
        JOIN board b ON b.id = u.board WHERE b.mirror = :mirror AND b.current""",
    "rotten": """
        SELECT count(*) FROM rot r CROSS JOIN file f ON f.mirror = r.mirror AND f.path = r.path
        WHERE r.mirror = :mirror""",
    "strayed": """
        SELECT count(*) FROM strayed s CROSS JOIN link l ON l.id = s.link
        WHERE l.mirror = :mirror AND l.state = 'agreed' AND l.version = s.version""",
    # Linked pictures whose other side was not there when it was last looked at.
    "apart": f"""
        SELECT count(*) FROM link l INDEXED BY link_out_of_step CROSS JOIN board b ON b.id = l.board
        WHERE l.mirror = :mirror AND {OUT_OF_STEP} AND (l.file_side > 0) <> l.item_side
        AND b.current AND b.subfolder = {subfolder_of("l.path")}""",
    "parted": """
        SELECT count(*) FROM link INDEXED BY link_by_state WHERE mirror = :mirror
        AND state IN ('file-gone', 'item-gone', 'undone')""",
    "waiting": """
        SELECT count(*) FROM transfer WHERE mirror = :mirror
        AND state NOT IN ('done', 'refused', 'dropped')""",
    "failing": f"""
        SELECT (SELECT count(*) FROM transfer WHERE mirror = :mirror AND error IS NOT NULL
                AND state NOT IN ('done', 'refused', 'dropped'))
             + ({_UNREADABLE})""",
    "held": """
        SELECT count(*) FROM held e JOIN hold h ON h.id = e.hold
        WHERE h.mirror = :mirror AND h.resolved_ms IS NULL""",
    "trashed": "SELECT count(*) FROM trash WHERE mirror = :mirror AND state = 'trashed'",
    "oldest_waiting_ms": """
        SELECT min(created_ms) FROM transfer WHERE mirror = :mirror
        AND state NOT IN ('done', 'refused', 'dropped')""",
}


# Synced means seen on both sides: the file as it is now, and the item in the last listing of the
# board where the file belongs. Those are nearly all: the few others are counted, and subtracted.
_AT_HOME = f"b.current AND b.missing_since_ms IS NULL AND b.subfolder = {subfolder_of('l.path')}"
_AGREED_ON_ONE_BOARD = """
    SELECT coalesce(sum((
        SELECT count(*) FROM link l INDEXED BY link_by_state
        WHERE l.mirror = b.mirror AND l.state = 'agreed' AND l.board = b.id)), 0)
    FROM board b WHERE b.mirror = :mirror AND b.current AND b.missing_since_ms IS NULL
    AND b.subfolder = x''"""
_AGREED_BY_SUBFOLDER = f"""
    SELECT count(*) FROM link l INDEXED BY link_by_path CROSS JOIN board b ON b.id = l.board
    WHERE l.mirror = :mirror AND l.state = 'agreed' AND {_AT_HOME}"""
_OUT_OF_STEP = f"""
    FROM link l INDEXED BY link_out_of_step CROSS JOIN board b ON b.id = l.board
    WHERE l.mirror = :mirror AND {OUT_OF_STEP}"""
_NOT_SYNCED = f"SELECT count(*) {_OUT_OF_STEP} AND {_AT_HOME}"


def tally(connection: Connection, mirror: int, layout: Layout) -> Tally:
    """Count a mirror's files, items and transfers."""
    return Tally(**counts(connection, mirror, layout, [one.name for one in fields(Tally)]))


def counts(
    connection: Connection, mirror: int, layout: Layout, wanted: Iterable[str]
) -> dict[str, Any]:
    """Count some of what a tally holds, by its names there; also `file_bytes`."""
    values = home_values(mirror, layout)
    return {
        name: _synced(connection, layout, values) if name == "synced"
        else _number(connection, _COUNTS[name], values)
        for name in wanted
    }  # fmt: skip


def _synced(connection: Connection, layout: Layout, values: dict[str, Any]) -> int:
    agreed = _AGREED_BY_SUBFOLDER if layout.by_subfolder else _AGREED_ON_ONE_BOARD
    found: int = _number(connection, agreed, values) - _number(connection, _NOT_SYNCED, values)
    return found


def _number(connection: Connection, query: str, values: dict[str, Any]) -> Any:
    return connection.execute(text(query), _taken(query, values)).scalar()


def _taken(query: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that a query takes."""
    return {name: value for name, value in values.items() if f":{name}" in query}
