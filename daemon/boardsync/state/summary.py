"""Queries that count: how a mirror stands, without lying."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from boardsync.plan.layout import Layout
from boardsync.state.homes import home_of, home_values
from boardsync.state.records import Tally

_UNREADABLE = """
    SELECT count(*) FROM failed_reading r JOIN file f ON f.mirror = r.mirror AND f.path = r.path
    WHERE r.mirror = :mirror AND f.hashed_ns IS NULL"""
_COUNTS = {
    "files": "SELECT count(*) FROM file WHERE mirror = :mirror",
    # What cannot be read does not change: it fails.
    "settling": f"""
        SELECT (SELECT count(*) FROM file WHERE mirror = :mirror AND hashed_ns IS NULL)
             - ({_UNREADABLE})""",
    # A refused upload is told by its file, a refused download only by its transfer.
    "refused": """
        SELECT (SELECT count(*) FROM file WHERE mirror = :mirror AND refusal IS NOT NULL)
             + (SELECT count(*) FROM transfer WHERE mirror = :mirror AND state = 'refused'
                AND kind = 'download')""",
    "items": """
        SELECT count(*) FROM item i JOIN board b ON b.id = i.board
        WHERE b.mirror = :mirror AND b.current""",
    "unread": """
        SELECT count(*) FROM item i JOIN board b ON b.id = i.board
        WHERE b.mirror = :mirror AND b.current AND i.read = 0""",
    "unproven": """
        SELECT count(*) FROM unproven u JOIN item i ON i.board = u.board AND i.item_id = u.item_id
        JOIN board b ON b.id = u.board WHERE b.mirror = :mirror AND b.current""",
    # Synced means seen on both sides: the file as it is now, and the item in the last listing
    # of the board where the file belongs.
    "synced": f"""
        SELECT count(*) FROM link l
        JOIN board b ON b.id = l.board AND b.missing_since_ms IS NULL
        JOIN file f ON f.mirror = l.mirror AND f.path = l.path AND f.digest = l.digest
        JOIN item i ON i.board = l.board AND i.item_id = l.item_id AND i.version = l.version
        WHERE l.mirror = :mirror AND l.state = 'agreed' AND f.hashed_ns IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM rot r WHERE r.mirror = l.mirror AND r.path = l.path)
        AND l.board = {home_of("l.path")}""",
    "rotten": """
        SELECT count(*) FROM rot r JOIN file f ON f.mirror = r.mirror AND f.path = r.path
        WHERE r.mirror = :mirror""",
    # Linked pictures whose other side was not there when it was last looked at.
    "apart": f"""
        SELECT count(*) FROM link l WHERE l.mirror = :mirror AND l.state = 'agreed'
        AND l.board = {home_of("l.path")}
        AND (EXISTS (SELECT 1 FROM file f WHERE f.mirror = l.mirror AND f.path = l.path)
             <> EXISTS (SELECT 1 FROM item i WHERE i.board = l.board AND i.item_id = l.item_id
                        AND i.version = l.version))""",
    "waiting": """
        SELECT count(*) FROM transfer WHERE mirror = :mirror
        AND state NOT IN ('done', 'refused', 'dropped')""",
    "failing": f"""
        SELECT (SELECT count(*) FROM transfer WHERE mirror = :mirror AND error IS NOT NULL
                AND state NOT IN ('done', 'refused', 'dropped'))
             + ({_UNREADABLE})""",
    "parted": """
        SELECT count(*) FROM link WHERE mirror = :mirror
        AND state IN ('file-gone', 'item-gone', 'undone')""",
    "held": """
        SELECT count(*) FROM held e JOIN hold h ON h.id = e.hold
        WHERE h.mirror = :mirror AND h.resolved_ms IS NULL""",
    "trashed": "SELECT count(*) FROM trash WHERE mirror = :mirror AND state = 'trashed'",
    "oldest_waiting_ms": """
        SELECT min(created_ms) FROM transfer WHERE mirror = :mirror
        AND state NOT IN ('done', 'refused', 'dropped')""",
}


def tally(connection: Connection, mirror: int, layout: Layout) -> Tally:
    """Count a mirror's files, items and transfers."""
    return Tally(**counts(connection, mirror, layout, _COUNTS))


def counts(
    connection: Connection, mirror: int, layout: Layout, wanted: Iterable[str]
) -> dict[str, Any]:
    """Count some of what a tally holds, by its names there."""
    values = home_values(mirror, layout)
    return {
        name: connection.execute(text(_COUNTS[name]), _taken(_COUNTS[name], values)).scalar()
        for name in wanted
    }


def _taken(query: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that a query takes."""
    return {name: value for name, value in values.items() if f":{name}" in query}
