"""Items that a listing told of, with our mark, and that nobody has seen whole yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "unproven",
        sa.Column("board", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["board"], ["board.id"]),
        sa.PrimaryKeyConstraint("board", "item_id"),
        sqlite_with_rowid=False,
    )
