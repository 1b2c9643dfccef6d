"""Brings the index in step with what is in a folder: what is new, changed, gone or renamed.

Nothing is opened here. What has to be read is noted, and `boardsync.index.reading` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from boardsync.errors import FolderAway
from boardsync.index.database import Index
from boardsync.index.records import Place
from boardsync.index.schema import READER
from boardsync.model import FileStat

_PAGE: Final = 5000
"""Rows in memory, and to a transaction: nobody waits for long to write."""

_Known = tuple[bytes, int, int, int, int]
Found = tuple[bytes, FileStat]


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
        index.tell("DELETE FROM folder WHERE id = ?", (folder,))


def look(
    index: Index,
    folder: int,
    found: Iterable[Found],
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
    if below is None:
        once_more(index, folder)
    known = _known(index, folder, below)
    row = next(known, None)
    fresh: list[Found] = []
    missing: list[tuple[bytes, int]] = []
    for path, stat in found:
        looked.files += 1
        while row is not None and row[0] < path:
            missing.append(row[:2])
            row = next(known, None)
        if row is None or row[0] != path:
            fresh.append((path, stat))
        else:
            if row[2] != stat.size or row[3] != stat.mtime_ns or row[4] != stat.inode:
                fresh.append((path, stat))
            row = next(known, None)
        if len(fresh) >= _PAGE:
            _note(index, folder, fresh, looked)
            fresh.clear()
    _note(index, folder, fresh, looked)
    while row is not None:
        missing.append(row[:2])
        row = next(known, None)
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


def _known(index: Index, folder: int, below: bytes | None) -> Iterator[_Known]:
    """Stream what is known in byte order, a page at a time: nothing keeps the file open."""
    select = "SELECT path, id, size, mtime_ns, inode FROM file WHERE folder = ? AND "
    if below is not None:
        yield from index.ask(f"{select} path = ?", (folder, below))
    first, end = (b"", None) if below is None else (below + b"/", below + b"0")
    upto, values = ("", ()) if end is None else ("AND path < ?", (end,))
    page = index.ask(
        f"{select} path >= ? {upto} ORDER BY path LIMIT {_PAGE}", (folder, first, *values)
    )
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        page = index.ask(
            f"{select} path > ? {upto} ORDER BY path LIMIT {_PAGE}",
            (folder, page[-1][0], *values),
        )


def _note(index: Index, folder: int, fresh: list[Found], looked: Looked) -> None:
    """Note what is new or changed. What was read of the same file elsewhere is taken over."""
    if not fresh:
        return
    with index.writing():
        for path, stat in fresh:
            same = (stat.inode, stat.size, stat.mtime_ns)
            read = index.ask(
                "SELECT reader, telling, seed, width, height, trouble FROM file"
                " WHERE inode = ? AND size = ? AND mtime_ns = ? AND reader = ? AND again = 0"
                " LIMIT 1",
                (*same, READER),
            )
            looked.known += bool(read)
            told = read[0] if read else (0, None, None, None, None, None)
            index.tell(_NOTE if read else _NOTE_UNREAD, (folder, path, *same, *told)
                       if read else (folder, path, *same))  # fmt: skip
    looked.changed += len(fresh)


_NOTE: Final = (
    "INSERT INTO file (folder, path, inode, size, mtime_ns,"
    " reader, telling, seed, width, height, trouble) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (folder, path) DO UPDATE SET inode = excluded.inode, size = excluded.size,"
    " mtime_ns = excluded.mtime_ns, reader = excluded.reader, again = 0,"
    " telling = excluded.telling, seed = excluded.seed, width = excluded.width,"
    " height = excluded.height, trouble = excluded.trouble"
)
_NOTE_UNREAD: Final = (
    "INSERT INTO file (folder, path, inode, size, mtime_ns) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (folder, path) DO UPDATE SET inode = excluded.inode, size = excluded.size,"
    " mtime_ns = excluded.mtime_ns, reader = 0, again = 0"
)
"""Until it is read, what was told before stays."""


def _remove(index: Index, numbers: list[int]) -> None:
    for number in numbers:
        index.tell("DELETE FROM file WHERE id = ?", (number,))
