"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "mirror",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=True),
        sa.Column("scanned_ms", sa.Integer(), nullable=True),
        sa.Column("scan_complete", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("limits", sa.Text(), nullable=True),
        sa.Column("links_changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("trouble_since_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "job",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("done_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "board",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("subfolder", sa.BLOB(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("server_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("current", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("made_by_us", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("folder", sa.Text(), nullable=True),
        sa.Column("listing_digest", sa.Text(), nullable=True),
        sa.Column("listed_ms", sa.Integer(), nullable=True),
        sa.Column("listing_seconds", sa.Float(), nullable=True),
        sa.Column("missing_since_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mirror"],
            ["mirror.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "board_current",
        "board",
        ["mirror", "subfolder"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
    )
    op.create_table(
        "file",
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("ctime_ns", sa.Integer(), nullable=False),
        sa.Column("inode", sa.Integer(), nullable=False),
        sa.Column("changed_ns", sa.Integer(), nullable=False),
        sa.Column("hashed_ns", sa.Integer(), nullable=True),
        sa.Column("digest", sa.BLOB(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mirror"],
            ["mirror.id"],
        ),
        sa.PrimaryKeyConstraint("mirror", "path"),
        sqlite_with_rowid=False,
    )
    op.create_index("file_by_digest", "file", ["mirror", "digest"], unique=False)
    op.create_index(
        "file_unhashed",
        "file",
        ["mirror", "path"],
        unique=False,
        sqlite_where=sa.text("hashed_ns IS NULL"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.Integer(), nullable=False),
        sa.Column("ended_ms", sa.Integer(), nullable=True),
        sa.Column("planned", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("uploaded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("downloaded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("linked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("moved", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("trashed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mirror"],
            ["mirror.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("run_by_mirror", "run", ["mirror", "id"], unique=False)
    op.create_table(
        "item",
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("read", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("created_ms", sa.Integer(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("intermediate", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("starred", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("extension", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board"],
            ["board.id"],
        ),
        sa.PrimaryKeyConstraint("board", "item_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "item_by_token", "item", ["token"], unique=False, sqlite_where=sa.text("token IS NOT NULL")
    )
    op.create_index(
        "item_unread", "item", ["board"], unique=False, sqlite_where=sa.text("read = 0")
    )
    op.create_table(
        "link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("digest", sa.BLOB(), nullable=False),
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("sent", sa.BLOB(), nullable=True),
        sa.Column("pixels", sa.BLOB(), nullable=True),
        sa.Column("recipe", sa.Text(), nullable=True),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("file_gone_ms", sa.Integer(), nullable=True),
        sa.Column("file_gone_inode", sa.Integer(), nullable=True),
        sa.Column("item_gone_ms", sa.Integer(), nullable=True),
        sa.Column("item_asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("item_asked_ms", sa.Integer(), nullable=True),
        sa.Column("consent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board"],
            ["board.id"],
        ),
        sa.ForeignKeyConstraint(
            ["mirror"],
            ["mirror.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("link_by_digest", "link", ["mirror", "digest"], unique=False)
    op.create_index(
        "link_file_gone",
        "link",
        ["mirror"],
        sqlite_where=sa.text("state = 'agreed' AND file_gone_ms IS NOT NULL"),
    )
    op.create_index(
        "link_item_gone",
        "link",
        ["mirror", "board"],
        sqlite_where=sa.text("state = 'agreed' AND item_gone_ms IS NOT NULL"),
    )
    op.create_index("link_by_item", "link", ["board", "item_id"], unique=False)
    op.create_index("link_by_path", "link", ["mirror", "path"], unique=False)
    op.create_table(
        "transfer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=True),
        sa.Column("digest", sa.BLOB(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("item_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("link", sa.Integer(), nullable=True),
        sa.Column("target", sa.BLOB(), nullable=True),
        sa.Column("final", sa.BLOB(), nullable=True),
        sa.Column("temporary", sa.BLOB(), nullable=True),
        sa.Column("got", sa.BLOB(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lookups", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_before_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_sent_ms", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.Integer(), nullable=False),
        sa.Column("updated_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["board"],
            ["board.id"],
        ),
        sa.ForeignKeyConstraint(
            ["mirror"],
            ["mirror.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "transfer_by_item",
        "transfer",
        ["board", "item_id"],
        unique=False,
        sqlite_where=sa.text("item_id IS NOT NULL"),
    )
    op.create_index(
        "transfer_one_of_link",
        "transfer",
        ["link"],
        unique=True,
        sqlite_where=sa.text("link IS NOT NULL AND state NOT IN ('done', 'refused', 'dropped')"),
    )
    op.create_index("transfer_by_path", "transfer", ["mirror", "path"], unique=False)
    op.create_index(
        "transfer_one_download",
        "transfer",
        ["board", "item_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'download' AND state NOT IN ('done', 'refused', 'dropped')"),
    )
    op.create_index(
        "transfer_one_upload",
        "transfer",
        ["board", "token"],
        unique=True,
        sqlite_where=sa.text("kind = 'upload' AND state NOT IN ('done', 'refused', 'dropped')"),
    )
    op.create_index(
        "transfer_waiting",
        "transfer",
        ["mirror", "kind", "not_before_ms"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('done', 'refused', 'dropped')"),
    )
    op.create_table(
        "trash",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("guarded", sa.Boolean(), nullable=False),
        sa.Column("link", sa.Integer(), nullable=True),
        sa.Column("path", sa.BLOB(), nullable=True),
        sa.Column("digest", sa.BLOB(), nullable=True),
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("place", sa.BLOB(), nullable=True),
        sa.Column("trashed_id", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("updated_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mirror"], ["mirror.id"]),
        sa.ForeignKeyConstraint(["board"], ["board.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trash_by_mirror", "trash", ["mirror", "state", "since_ms"])
    op.create_index("trash_by_run", "trash", ["run"])
    op.create_index("trash_by_link", "trash", ["link"])
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("resolved_ms", sa.Integer(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mirror"], ["mirror.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "hold_open", "hold", ["mirror", "side"], sqlite_where=sa.text("resolved_ms IS NULL")
    )
    op.create_table(
        "held",
        sa.Column("hold", sa.Integer(), nullable=False),
        sa.Column("link", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hold"], ["hold.id"]),
        sa.PrimaryKeyConstraint("hold", "link"),
        sqlite_with_rowid=False,
    )
