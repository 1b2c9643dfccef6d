"""Items that do not show any more what was sent.

Each is told until it is seen to be right again, or is no linked item any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "strayed",
        sa.Column("link", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("shown", sa.BLOB()),
        sa.Column("noticed_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("link"),
        sqlite_with_rowid=False,
    )
