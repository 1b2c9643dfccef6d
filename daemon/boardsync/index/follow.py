"""Brings the index in step with what is in a folder: what is new, changed, gone or renamed.

Nothing is opened here. What has to be read is noted, and `boardsync.index.reading` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from boardsync.errors import FolderAway
from boardsync.files.snapshot import fitting, signed, stat_of
from boardsync.index.database import Index
from boardsync.index.records import Place
from boardsync.index.schema import READER
from boardsync.index.spans import Recorded, Span, cut, forget_all, record
from boardsync.local.runs import Seen
from boardsync.model import FileStat

_PAGE: Final = 5000
"""Rows in memory, or removed in a transaction: nobody waits for long to write."""

_Known = tuple[int, bytes, int, int, int, int]
"""A row's number, and what was seen as it was noted."""
_Missing = tuple[bytes, int]
"""The path and the number of a row."""


@dataclass(slots=True)
class Looked:
    """What a look found. known: new or changed, but read before under another path."""

    files: int = 0
    changed: int = 0
    known: int = 0
    gone: int = 0


def enter(index: Index, place: Place) -> int:
    """Return the number of a folder, which is made known when it is not."""
    found = index.ask("SELECT id, mirror FROM folder WHERE root = ?", (place.root,))
    if found and found[0][1] == place.mirror:
        return int(found[0][0])
    with index.writing():
        index.tell(
            "INSERT INTO folder (root, mirror) VALUES (?, ?)"
            " ON CONFLICT (root) DO UPDATE SET mirror = excluded.mirror",
            (place.root, place.mirror),
        )
    return int(index.ask("SELECT id FROM folder WHERE root = ?", (place.root,))[0][0])


def roots(index: Index) -> dict[bytes, int]:
    """Return the folders that are known, with their numbers."""
    return {root: number for number, root in index.ask("SELECT id, root FROM folder")}


def forget_others(index: Index, places: Iterable[Place]) -> None:
    """Forget mirrors' folders that are none any more. Folders that are nobody's stay."""
    roots = {place.root for place in places}
    for number, root in index.ask("SELECT id, root FROM folder WHERE mirror IS NOT NULL"):
        if root not in roots:
            forget(index, number)


def forget(index: Index, folder: int) -> None:
    """Forget a folder, with all that is in it."""
    while numbers := index.ask("SELECT id FROM file WHERE folder = ? LIMIT ?", (folder, _PAGE)):
        with index.writing():
            _remove(index, [number for (number,) in numbers])
    with index.writing():
        forget_all(index, folder)
        index.tell("DELETE FROM folder WHERE id = ?", (folder,))


def look(
    index: Index,
    folder: int,
    found: Iterable[list[Seen]],
    *,
    below: bytes | None = None,
    stays: Callable[[bytes], bool] = lambda _: False,
    before_removing: Callable[[], None] = lambda: None,
) -> Looked:
    """Compare what is there with what is known, and note the difference.

    found: in byte order. below: only this path and what lies under it. When everything was found,
    stays tells which of the missing may be there all the same, and before_removing may raise.
    """
    looked = Looked()
    missing: list[_Missing] = []
    if below is None:
        once_more(index, folder)
        recorded = Recorded(index, folder)
        for span in cut(found, recorded.borders, b"", None):
            looked.files += len(span.seen)
            if recorded.is_as_before(span):
                continue
            with index.writing():
                absent = _compare(index, folder, span, None, looked)
                if not absent:
                    record(index, folder, span)
            missing += absent
    else:
        for span in cut(found, iter(()), below, below + b"0"):
            looked.files += len(span.seen)
            with index.writing():
                missing += _compare(index, folder, span, below, looked)
    before_removing()
    gone = [number for path, number in missing if not stays(path)]
    for start in range(0, len(gone), _PAGE):
        with index.writing():
            _remove(index, gone[start : start + _PAGE])
    looked.gone = len(gone)
    return looked


def require_same(index: Index, folder: int, identity: str, files: int) -> None:
    """Raise FolderAway when a folder is empty and not the one that its pictures were in.

    What is left of an unmounted disk is its empty mount point.
    """
    [(before, root)] = index.ask("SELECT identity, root FROM folder WHERE id = ?", (folder,))
    if files or before in ("", identity):
        return
    if index.ask("SELECT 1 FROM file WHERE folder = ? LIMIT 1", (folder,)):
        raise FolderAway(
            f"{root.decode(errors='backslashreplace')}: empty, and another folder than the one"
            " that was indexed; mount its disk, or put the pictures back"
        )


def note_look(index: Index, folder: int, identity: str, now_ms: int) -> None:
    """Note that all of a folder was looked at."""
    with index.writing():
        index.tell(
            "UPDATE folder SET identity = ?, looked_ms = ? WHERE id = ?",
            (identity, now_ms, folder),
        )


def was_looked_at(index: Index, folder: int) -> bool:
    """Tell whether all of a folder was ever looked at."""
    return bool(index.ask("SELECT 1 FROM folder WHERE id = ? AND looked_ms IS NOT NULL", (folder,)))


def is_any_unread(index: Index, folder: int) -> bool:
    """Tell whether a folder holds pictures that are to be read."""
    return bool(index.ask("SELECT 1 FROM file WHERE folder = ? AND reader = 0 LIMIT 1", (folder,)))


def once_more(index: Index, folder: int) -> None:
    """Have those read again that were to be looked at once more."""
    asked = "folder = ? AND again != 0"
    if index.ask(f"SELECT 1 FROM file WHERE {asked} LIMIT 1", (folder,)):
        with index.writing():
            index.tell(f"UPDATE file SET reader = 0, again = 0 WHERE {asked}", (folder,))


def _compare(
    index: Index, folder: int, span: Span, below: bytes | None, looked: Looked
) -> list[_Missing]:
    """Note what is new or changed in a span; return what is known there and was not seen."""
    missing: list[_Missing] = []
    known = _known(index, folder, span, below)
    row = next(known, None)
    for seen in map(_fitting, span.seen):
        path = seen[0]
        while row is not None and row[1] < path:
            missing.append((row[1], row[0]))
            row = next(known, None)
        if row is None or row[1] != path:
            _note(index, folder, seen, looked)
        else:
            if row[1:] != seen:
                _note(index, folder, seen, looked)
            row = next(known, None)
    while row is not None:
        missing.append((row[1], row[0]))
        row = next(known, None)
    return missing


def _fitting(seen: Seen) -> Seen:
    """Return what was seen as the database can hold it."""
    path, size, mtime_ns, ctime_ns, inode = seen
    return path, size, fitting(mtime_ns), fitting(ctime_ns), signed(inode)


def _known(index: Index, folder: int, span: Span, below: bytes | None) -> Iterator[_Known]:
    """Stream what is known of a span in byte order, a page at a time."""
    select = "SELECT id, path, size, mtime_ns, ctime_ns, inode FROM file WHERE folder = ? AND "
    first, over = span.first, ">="
    if first == below:
        yield from index.ask(f"{select} path = ?", (folder, below))
        first = below + b"/"
    upto, values = ("", ()) if span.until is None else ("AND path < ?", (span.until,))
    while True:
        page = index.ask(
            f"{select} path {over} ? {upto} ORDER BY path LIMIT {_PAGE}", (folder, first, *values)
        )
        yield from page
        if len(page) < _PAGE:
            return
        first, over = page[-1][1], ">"


def _note(index: Index, folder: int, seen: Seen, looked: Looked) -> None:
    """Note what is new or changed. What was read of the same file elsewhere is taken over."""
    read = _read_elsewhere(index, folder, seen)
    if read is None:
        index.tell(_NOTE_UNREAD, (folder, *seen))
    else:
        index.tell(_NOTE, (folder, *seen, *read))
        looked.known += 1
    looked.changed += 1


def _read_elsewhere(index: Index, folder: int, seen: Seen) -> tuple[Any, ...] | None:
    """Return what was read of the same file when it was at another path, if that is certain.

    An inode's number is given to other files in time, and is another file's on another disk. What
    changes a file, and be it its name, changes its ctime, which nobody can set: with it being the
    same on the same disk, only a directory above was renamed.
    """
    path, *stat = seen
    read = index.ask(
        "SELECT device, reader, telling, seed, width, height, trouble FROM file"
        " WHERE size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ? AND device NOTNULL"
        " AND reader = ? AND again = 0 LIMIT 1",
        (*stat, READER),
    )
    if not read:
        return None
    [(root,)] = index.ask("SELECT root FROM folder WHERE id = ?", (folder,))
    try:
        now = os.lstat(os.path.join(root, path))
    except OSError:
        return None
    same = (now.st_dev, stat_of(now)) == (read[0][0], FileStat(*stat))
    return read[0] if same else None


_STAT: Final = "size, mtime_ns, ctime_ns, inode"
_READ: Final = "device, reader, telling, seed, width, height, trouble"
_NEW_STAT: Final = ", ".join(f"{name} = excluded.{name}" for name in _STAT.split(", "))
_NEW_READ: Final = ", ".join(f"{name} = excluded.{name}" for name in _READ.split(", "))
_NOTE: Final = (
    f"INSERT INTO file (folder, path, {_STAT}, {_READ})"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    f" ON CONFLICT (folder, path) DO UPDATE SET {_NEW_STAT}, {_NEW_READ}, again = 0"
)
_NOTE_UNREAD: Final = (
    f"INSERT INTO file (folder, path, {_STAT}) VALUES (?, ?, ?, ?, ?, ?)"
    f" ON CONFLICT (folder, path) DO UPDATE SET {_NEW_STAT}, reader = 0, again = 0"
)
"""Until it is read, what was told before stays."""


def _remove(index: Index, numbers: list[int]) -> None:
    for number in numbers:
        index.tell("DELETE FROM file WHERE id = ?", (number,))
