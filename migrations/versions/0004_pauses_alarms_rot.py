"""Pauses, alarms that were told, files whose bytes changed by themselves or cannot be read.

And what is counted at once from now on: triggers keep it with every change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

FILE_SIDE = """file_side = coalesce((
    SELECT 1 + (f.digest IS link.digest AND f.hashed_ns IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM rot r WHERE r.mirror = f.mirror AND r.path = f.path))
    FROM file f WHERE f.mirror = link.mirror AND f.path = link.path), 0)"""
ITEM_SIDE = """item_side = EXISTS (
    SELECT 1 FROM item i
    WHERE i.board = link.board AND i.item_id = link.item_id AND i.version = link.version)"""
OLD_FILE, NEW_FILE = (
    f"UPDATE link SET {FILE_SIDE} WHERE mirror = {row}.mirror AND path = {row}.path;"
    for row in ("OLD", "NEW")
)
OLD_ITEM, NEW_ITEM = (
    f"UPDATE link SET {ITEM_SIDE} WHERE board = {row}.board AND item_id = {row}.item_id;"
    for row in ("OLD", "NEW")
)
LESS_FILES, MORE_FILES = (
    f"UPDATE mirror SET files = files {sign} 1, file_bytes = file_bytes {sign} {row}.size"
    f" WHERE id = {row}.mirror;"
    for row, sign in (("OLD", "-"), ("NEW", "+"))
)
LESS_ITEMS, MORE_ITEMS = (
    f"UPDATE board SET items = items {sign} 1 WHERE id = {row}.board;"
    for row, sign in (("OLD", "-"), ("NEW", "+"))
)
OLD_ALIKE, NEW_ALIKE = (
    f"""(SELECT count(*) FROM item i INDEXED BY item_by_token
    WHERE i.token = {row}.token AND i.board = {row}.board)"""
    for row in ("OLD", "NEW")
)
DOUBLED = f"""NEW.token IS NOT NULL AND {NEW_ALIKE} > 1
    BEGIN INSERT INTO doubled SELECT NEW.board, NEW.token WHERE NOT EXISTS (
    SELECT 1 FROM doubled d WHERE d.board = NEW.board AND d.token = NEW.token); END"""
BOTH_SIDES = f"UPDATE link SET {FILE_SIDE}, {ITEM_SIDE} WHERE id = NEW.id;"
TRIGGERS = {
    "file_added": f"AFTER INSERT ON file BEGIN {NEW_FILE} {MORE_FILES} END",
    "file_removed": f"AFTER DELETE ON file BEGIN {OLD_FILE} {LESS_FILES} END",
    "file_renamed": (
        "AFTER UPDATE OF mirror, path ON file"
        f" BEGIN {OLD_FILE} {NEW_FILE} {LESS_FILES} {MORE_FILES} END"
    ),
    "file_hashed": (
        "AFTER UPDATE OF digest, hashed_ns ON file WHEN OLD.digest IS NOT NEW.digest"
        f" OR (OLD.hashed_ns IS NULL) <> (NEW.hashed_ns IS NULL) BEGIN {NEW_FILE} END"
    ),
    "file_resized": (
        "AFTER UPDATE OF size ON file WHEN OLD.size <> NEW.size BEGIN UPDATE mirror"
        " SET file_bytes = file_bytes - OLD.size + NEW.size WHERE id = NEW.mirror; END"
    ),
    "item_added": f"AFTER INSERT ON item BEGIN {NEW_ITEM} {MORE_ITEMS} END",
    "item_removed": f"AFTER DELETE ON item BEGIN {OLD_ITEM} {LESS_ITEMS} END",
    "item_renamed": (
        "AFTER UPDATE OF board, item_id ON item"
        f" BEGIN {OLD_ITEM} {NEW_ITEM} {LESS_ITEMS} {MORE_ITEMS} END"
    ),
    "item_changed": (
        f"AFTER UPDATE OF version ON item WHEN OLD.version <> NEW.version BEGIN {NEW_ITEM} END"
    ),
    "item_doubled": f"AFTER INSERT ON item WHEN {DOUBLED}",
    "item_read": (
        "AFTER UPDATE OF token, board ON item"
        f" WHEN (OLD.token IS NOT NEW.token OR OLD.board <> NEW.board) AND {DOUBLED}"
    ),
    "item_alone": (
        "AFTER DELETE ON item WHEN OLD.token IS NOT NULL BEGIN DELETE FROM doubled"
        f" WHERE board = OLD.board AND token = OLD.token AND {OLD_ALIKE} < 2; END"
    ),
    "link_added": f"AFTER INSERT ON link BEGIN {BOTH_SIDES} END",
    "link_changed": (
        "AFTER UPDATE OF mirror, path, digest, board, item_id, version ON link"
        f" BEGIN {BOTH_SIDES} END"
    ),
    "rot_found": f"AFTER INSERT ON rot BEGIN {NEW_FILE} END",
    "rot_over": f"AFTER DELETE ON rot BEGIN {OLD_FILE} END",
    "rot_renamed": f"AFTER UPDATE OF mirror, path ON rot BEGIN {OLD_FILE} {NEW_FILE} END",
}


def upgrade() -> None:
    op.create_table(
        "pause",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("until_ms", sa.Integer()),
        sa.PrimaryKeyConstraint("scope", "name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alarm",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("told_ms", sa.Integer()),
        sa.PrimaryKeyConstraint("cause"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rot",
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("was", sa.BLOB(), nullable=False),
        sa.Column("found", sa.BLOB(), nullable=False),
        sa.Column("noticed_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["mirror"], ["mirror.id"]),
        sa.PrimaryKeyConstraint("mirror", "path"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "failed_reading",
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("failed_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["mirror"], ["mirror.id"]),
        sa.PrimaryKeyConstraint("mirror", "path"),
        sqlite_with_rowid=False,
    )
    keep_counts()


def keep_counts() -> None:
    """Add what is counted, count it once, and have triggers keep it from then on."""
    for table, column in (
        ("mirror", "files"), ("mirror", "file_bytes"), ("board", "items"),
        ("link", "file_side"), ("link", "item_side"),
    ):  # fmt: skip
        added = sa.Column(column, sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, added)
    op.execute(
        "UPDATE mirror SET files = (SELECT count(*) FROM file f WHERE f.mirror = mirror.id),"
        " file_bytes = (SELECT coalesce(sum(size), 0) FROM file f WHERE f.mirror = mirror.id)"
    )
    op.execute("UPDATE board SET items = (SELECT count(*) FROM item i WHERE i.board = board.id)")
    op.execute(f"UPDATE link SET {FILE_SIDE}, {ITEM_SIDE}")
    op.create_table(
        "doubled",
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["board"], ["board.id"]),
        sa.PrimaryKeyConstraint("board", "token"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO doubled SELECT board, token FROM item INDEXED BY item_by_token"
        " WHERE token IS NOT NULL GROUP BY token, board HAVING count(*) > 1"
    )
    op.drop_index("link_by_path", "link")
    op.create_index("link_by_path", "link", ["mirror", "path", "state", "board"])
    op.create_index("link_by_state", "link", ["mirror", "state", "board"])
    op.create_index(
        "link_out_of_step", "link", ["mirror", "board"],
        sqlite_where=sa.text("state = 'agreed' AND (file_side <> 2 OR item_side <> 1)"),
    )  # fmt: skip
    op.create_index(
        "file_refused", "file", ["mirror", "path"], sqlite_where=sa.text("refusal IS NOT NULL")
    )
    for name, rest in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {rest}")
