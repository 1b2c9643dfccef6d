"""Pauses, alarms that were told, files whose bytes changed by themselves or cannot be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


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
