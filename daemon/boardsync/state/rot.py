"""Queries on files that rotted: whose bytes are others although nobody wrote to them.

Bytes that are known to be rotten are nobody's content, wherever they lie, until a person says
otherwise. So a touched, renamed or copied one stays what it is: the picture that it was, spoilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, func, select, text, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.model import FileStat
from boardsync.state.records import FileRecord
from boardsync.state.rows import to_record
from boardsync.state.schema import file, rot

_IS_THERE = and_(file.c.mirror == rot.c.mirror, file.c.path == rot.c.path)
_COLUMNS = tuple(file.c[name] for name in FileRecord.__dataclass_fields__)
_LINKED = text(
    "EXISTS (SELECT 1 FROM link l WHERE l.mirror = file.mirror AND l.path = file.path"
    " AND l.digest = file.digest AND l.state = 'agreed')"
)

ROTTEN = (
    "its bytes changed while nobody wrote to it: it has rotted, or its times were set back;"
    " `boardsync again` takes it as it is"
)


@dataclass(frozen=True, slots=True)
class RotRecord:
    """A file that rotted. was, found: the digests of what it held, and of what it holds."""

    path: bytes
    was: str
    found: str
    noticed_ms: int


def note(
    connection: Connection, mirror: int, path: bytes, was: str, found: str, now_ms: int
) -> bool:
    """Record that a file rotted; tell whether that is news."""
    row = {"mirror": mirror, "path": path, "was": was, "found": found, "noticed_ms": now_ms}
    known = find(connection, mirror, path)
    if known is not None and (known.was, known.found) == (was, found):
        return False
    fresh = insert(rot).values(row)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=["mirror", "path"], set_=row)
    )  # fmt: skip
    return True


def find(connection: Connection, mirror: int, path: bytes) -> RotRecord | None:
    """Return what is known of one file's rot."""
    row = connection.execute(_records(mirror).where(rot.c.path == path)).first()
    return None if row is None else to_record(RotRecord, row)


def of_mirror(connection: Connection, mirror: int, limit: int) -> list[RotRecord]:
    """Return the rotten files that are there, the newest first."""
    query = _records(mirror).join(file, _IS_THERE)
    newest = query.order_by(rot.c.noticed_ms.desc(), rot.c.path).limit(limit)
    return [to_record(RotRecord, row) for row in connection.execute(newest)]


def _records(mirror: int) -> Select[Any]:
    columns = (rot.c.path, rot.c.was, rot.c.found, rot.c.noticed_ms)
    return select(*columns).where(rot.c.mirror == mirror)


def forget(connection: Connection, mirror: int, paths: Sequence[bytes]) -> None:
    """Forget that files rotted: they hold something else by now, or what they should."""
    for path in paths:
        connection.execute(delete(rot).where(rot.c.mirror == mirror, rot.c.path == path))


def forget_old(connection: Connection, before_ms: int) -> None:
    """Forget the rot of files that have not been there for long."""
    there = exists().where(_IS_THERE)
    connection.execute(delete(rot).where(rot.c.noticed_ms < before_ms, ~there))


def accept(connection: Connection, mirror: int, path: bytes) -> bool:
    """Take the bytes of a rotten file for content from now on; tell whether it was rotten."""
    known = find(connection, mirror, path)
    if known is None:
        return False
    connection.execute(delete(rot).where(rot.c.mirror == mirror, rot.c.found == known.found))
    return True


def as_content(
    connection: Connection, mirror: int, hashed: Sequence[tuple[bytes, FileStat, str]], now_ms: int
) -> Sequence[tuple[bytes, FileStat, str]]:
    """Return what was hashed under the digests that count: what is rotten, under what it was."""
    rotten = _all(connection, mirror)
    if not rotten:
        return hashed
    by_path = {(one.path, one.found): one.was for one in rotten}
    counting = []
    for path, stat, digest in hashed:
        # Zeros may be what is left of several pictures: then only the path tells of which.
        candidates = {one.was for one in rotten if one.found == digest}
        only = candidates.pop() if len(candidates) == 1 else None
        was = by_path.get((path, digest), only)
        if was is None:
            forget(connection, mirror, [path])
        else:
            note(connection, mirror, path, was, digest, now_ms)
        counting.append((path, stat, was or digest))
    return counting


def _all(connection: Connection, mirror: int) -> list[RotRecord]:
    return [to_record(RotRecord, row) for row in connection.execute(_records(mirror))]


def linked(connection: Connection, mirror: int) -> int:
    """Count a mirror's linked files."""
    query = select(func.count()).select_from(file).where(file.c.mirror == mirror, _LINKED)
    return int(connection.execute(query).scalar() or 0)


def longest_unread(connection: Connection, mirror: int, limit: int) -> list[FileRecord]:
    """Return linked files whose hashing is longest ago, and before them those known to rot."""
    rotten = exists().where(_IS_THERE)
    query = (
        select(*_COLUMNS)
        .where(file.c.mirror == mirror, file.c.hashed_ns.is_not(None))
        .where(file.c.refusal.is_(None), _LINKED)
        .order_by(rotten.desc(), file.c.hashed_ns, file.c.path)
        .limit(limit)
    )
    return [to_record(FileRecord, row) for row in connection.execute(query)]


def note_read(
    connection: Connection, mirror: int, files: Sequence[FileRecord], now_ns: int
) -> None:  # fmt: skip
    """Record that files were read again, unless they have changed meanwhile."""
    for one in files:
        connection.execute(
            update(file)
            .where(file.c.mirror == mirror, file.c.path == one.path)
            .where(file.c.hashed_ns == one.hashed_ns, file.c.digest == one.digest)
            .values(hashed_ns=now_ns)
        )
