"""A bad sector in a state file, in a page that certainly holds a table."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def damage(path: Path, table: str = "file") -> None:
    """Overwrite the root page of a table. Nobody may have the file open."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        [(size,)] = db.execute("PRAGMA page_size")
        [(page,)] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table])
    with path.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(os.urandom(size))
