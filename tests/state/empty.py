"""An empty state file, made once: a new schema takes longer than most tests."""

from __future__ import annotations

import logging
import tempfile
from functools import cache
from pathlib import Path

from boardsync.state.database import open_state


@cache
def empty_state() -> bytes:
    """Return the content of a state file in which nothing was recorded yet."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="boardsync-") as directory:
        path = Path(directory) / "state.db"
        open_state(path, inline=True).close()
        return path.read_bytes()


def begin_state(path: Path) -> None:
    """Put an empty state file where none is."""
    if not path.exists():
        path.write_bytes(empty_state())
