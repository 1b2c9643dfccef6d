"""How the index stands with each folder, told without making one or changing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from boardsync.index.database import Damaged, Index, OfAnotherVersion, read_only
from boardsync.index.records import Contents, Standing

_STANDING: Final = (
    "root, mirror, looked_ms, (SELECT count(*) FROM file WHERE folder = folder.id AND reader = 0)"
)


def standing_of(index: Index) -> tuple[Standing, ...]:
    """Tell how the index stands with each folder, in the order of their paths."""
    rows = index.ask(f"SELECT {_STANDING} FROM folder ORDER BY root")
    return tuple(Standing(*row) for row in rows)


def contents_of(path: Path) -> tuple[Contents, ...] | None:
    """Count what is in an index, folder by folder; None where there is none.

    Raises Damaged, and what `using` raises.
    """
    return read_only(path, _contents)


def _contents(index: Index) -> tuple[Contents, ...]:
    # Over the unread alone, and the index of all paths: both are small beside the files.
    counted = "(SELECT count(*) FROM file INDEXED BY file_path WHERE folder = folder.id)"
    rows = index.ask(f"SELECT {_STANDING}, {counted} FROM folder ORDER BY root")
    return tuple(Contents(Standing(*row[:4]), row[4]) for row in rows)


def fault_of(path: Path) -> str | None:
    """Look through a whole index; return what is wrong with it, None for nothing or no index.

    One of another version is made anew by itself. Raises what `using` raises.
    """
    try:
        read_only(path, _look_through)
    except OfAnotherVersion:
        return None
    except Damaged as damage:
        return str(damage)
    return None


def _look_through(index: Index) -> None:
    [(told,)] = index.ask("PRAGMA quick_check(1)")
    if told != "ok":
        raise Damaged(told)
    for table in ("word", "part"):
        index.verify_words(table)
