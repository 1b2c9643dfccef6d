"""Whether a state file holds what the number of its schema promises.

No boardsync leaves less behind. But a file that another hand took something from would answer
every question with an error, at every start, and nothing would ever mend it. Or it would answer,
and no unique index would keep a transfer from being planned twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from boardsync.state.copies import check_integrity
from boardsync.state.schema import metadata
from boardsync.state.triggers import TRIGGERS
from boardsync.state.trouble import opening
from boardsync.state.upgrade import HEAD, revision_of


def missing_part(path: Path) -> str | None:
    """Name a table, a column, an index or a trigger that a file of this program's schema lacks.

    None when nothing is missing, or when it is of another schema. Raises what `revision_of` does.
    """
    if revision_of(path) != HEAD:
        return None
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        for table in metadata.tables.values():
            columns = {row[1] for row in db.execute(f"PRAGMA table_info({table.name})")}
            for column in table.columns:
                if column.name not in columns:
                    return f"the column {column.name} of {table.name}" if columns else table.name
    indexes = [str(index.name) for table in metadata.tables.values() for index in table.indexes]
    return next((part for part in (*indexes, *TRIGGERS) if part not in names), None)


def find_fault(path: Path, *, thorough: bool = False) -> str | None:
    """Return what is wrong with a state file; None when it is whole. As `check_integrity`."""
    fault = check_integrity(path, thorough=thorough)
    if fault is None:
        with opening(path):
            part = missing_part(path)
        fault = None if part is None else f"{part} is missing"
    return fault
