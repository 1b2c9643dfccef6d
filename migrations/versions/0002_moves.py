"""A journal of moves: what a run moved or renamed, so that an undo can put it back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "moved",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mirror", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("link", sa.Integer(), nullable=True),
        sa.Column("path_before", sa.BLOB(), nullable=False),
        sa.Column("path_after", sa.BLOB(), nullable=False),
        sa.Column("board_before", sa.Integer(), nullable=False),
        sa.Column("board_after", sa.Integer(), nullable=False),
        sa.Column("item_before", sa.Text(), nullable=False),
        sa.Column("item_after", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("updated_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["mirror"], ["mirror.id"]),
        sa.ForeignKeyConstraint(["board_before"], ["board.id"]),
        sa.ForeignKeyConstraint(["board_after"], ["board.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("moved_by_run", "moved", ["run"])
