"""What SQLite itself keeps up to date with every change, so that a million pictures are counted
at once: how much a mirror and a board hold, and of each link which of its sides is there.

Whoever writes need not know: the triggers belong to the transaction. A test holds them against
the migrations, another one what they keep against a count of everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import DDL, event

from boardsync.state.schema import metadata

_FILE_SIDE = """file_side = coalesce((
    SELECT 1 + (f.digest IS link.digest AND f.hashed_ns IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM rot r WHERE r.mirror = f.mirror AND r.path = f.path))
    FROM file f WHERE f.mirror = link.mirror AND f.path = link.path), 0)"""
_ITEM_SIDE = """item_side = EXISTS (
    SELECT 1 FROM item i
    WHERE i.board = link.board AND i.item_id = link.item_id AND i.version = link.version)"""


def _file_side_of(row: str) -> str:
    """Return the update of the links of a file's path."""
    return f"UPDATE link SET {_FILE_SIDE} WHERE mirror = {row}.mirror AND path = {row}.path;"


def _item_side_of(row: str) -> str:
    """Return the update of the links of an item."""
    return f"UPDATE link SET {_ITEM_SIDE} WHERE board = {row}.board AND item_id = {row}.item_id;"


def _file_count(row: str, sign: str) -> str:
    return (
        f"UPDATE mirror SET files = files {sign} 1, file_bytes = file_bytes {sign} {row}.size"
        f" WHERE id = {row}.mirror;"
    )


def _item_count(row: str, sign: str) -> str:
    return f"UPDATE board SET items = items {sign} 1 WHERE id = {row}.board;"


_OTHERS = """(SELECT count(*) FROM item i INDEXED BY item_by_token
    WHERE i.token = {row}.token AND i.board = {row}.board)"""
_DOUBLED = f"""NEW.token IS NOT NULL AND {_OTHERS.format(row="NEW")} > 1
    BEGIN INSERT INTO doubled SELECT NEW.board, NEW.token WHERE NOT EXISTS (
    SELECT 1 FROM doubled d WHERE d.board = NEW.board AND d.token = NEW.token); END"""
_LINK_SIDES = f"UPDATE link SET {_FILE_SIDE}, {_ITEM_SIDE} WHERE id = NEW.id;"
TRIGGERS = {
    "file_added": (
        f"AFTER INSERT ON file BEGIN {_file_side_of('NEW')} {_file_count('NEW', '+')} END"
    ),
    "file_removed": (
        f"AFTER DELETE ON file BEGIN {_file_side_of('OLD')} {_file_count('OLD', '-')} END"
    ),
    "file_renamed": (
        f"AFTER UPDATE OF mirror, path ON file BEGIN {_file_side_of('OLD')} {_file_side_of('NEW')}"
        f" {_file_count('OLD', '-')} {_file_count('NEW', '+')} END"
    ),
    "file_hashed": (
        "AFTER UPDATE OF digest, hashed_ns ON file WHEN OLD.digest IS NOT NEW.digest"
        " OR (OLD.hashed_ns IS NULL) <> (NEW.hashed_ns IS NULL)"
        f" BEGIN {_file_side_of('NEW')} END"
    ),
    "file_resized": (
        "AFTER UPDATE OF size ON file WHEN OLD.size <> NEW.size BEGIN UPDATE mirror"
        " SET file_bytes = file_bytes - OLD.size + NEW.size WHERE id = NEW.mirror; END"
    ),
    "item_added": (
        f"AFTER INSERT ON item BEGIN {_item_side_of('NEW')} {_item_count('NEW', '+')} END"
    ),
    "item_removed": (
        f"AFTER DELETE ON item BEGIN {_item_side_of('OLD')} {_item_count('OLD', '-')} END"
    ),
    "item_renamed": (
        f"AFTER UPDATE OF board, item_id ON item BEGIN {_item_side_of('OLD')}"
        f" {_item_side_of('NEW')} {_item_count('OLD', '-')} {_item_count('NEW', '+')} END"
    ),
    "item_changed": (
        "AFTER UPDATE OF version ON item WHEN OLD.version <> NEW.version"
        f" BEGIN {_item_side_of('NEW')} END"
    ),
    "item_doubled": f"AFTER INSERT ON item WHEN {_DOUBLED}",
    "item_read": (
        "AFTER UPDATE OF token, board ON item"
        f" WHEN (OLD.token IS NOT NEW.token OR OLD.board <> NEW.board) AND {_DOUBLED}"
    ),
    "item_alone": (
        "AFTER DELETE ON item WHEN OLD.token IS NOT NULL BEGIN DELETE FROM doubled"
        " WHERE board = OLD.board AND token = OLD.token"
        f" AND {_OTHERS.format(row='OLD')} < 2; END"
    ),
    "link_added": f"AFTER INSERT ON link BEGIN {_LINK_SIDES} END",
    "link_changed": (
        "AFTER UPDATE OF mirror, path, digest, board, item_id, version ON link"
        f" BEGIN {_LINK_SIDES} END"
    ),
    "rot_found": f"AFTER INSERT ON rot BEGIN {_file_side_of('NEW')} END",
    "rot_over": f"AFTER DELETE ON rot BEGIN {_file_side_of('OLD')} END",
    "rot_renamed": (
        "AFTER UPDATE OF mirror, path ON rot"
        f" BEGIN {_file_side_of('OLD')} {_file_side_of('NEW')} END"
    ),
}
"""By name, what follows it in `CREATE TRIGGER`."""

_ddl: Callable[[str], Any] = DDL
for _name, _rest in TRIGGERS.items():
    event.listen(metadata, "after_create", _ddl(f"CREATE TRIGGER {_name} {_rest}"))
