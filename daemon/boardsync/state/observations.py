"""Queries on observations of files: what was last seen of them. Items have `items_seen`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    and_,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from boardsync.model import FileStat
from boardsync.plan.differences import Known
from boardsync.plan.names import normal_key
from boardsync.state import failed_readings, schema
from boardsync.state.records import FileRecord
from boardsync.state.rows import to_record, upsert
from boardsync.state.schema import file

CHUNK = 500
_FILE = (
    file.c.path,
    file.c.size,
    file.c.mtime_ns,
    file.c.ctime_ns,
    file.c.inode,
    file.c.changed_ns,
    file.c.hashed_ns,
    file.c.digest,
    file.c.refusal,
)

_KNOWN = _FILE[:5] + _FILE[6:7]

# Without statistics SQLite takes a mirror's or a board's rows for few, and would walk all of them
# rather than look a digest up or go to the few that are new. So these queries name their index.
_UNHASHED = text(
    f"""
    SELECT {", ".join(column.name for column in _FILE)}
    FROM file INDEXED BY file_unhashed
    WHERE mirror = :mirror AND hashed_ns IS NULL AND path > :after ORDER BY path LIMIT :limit
    """
).columns(*_FILE)
_REFUSED = text(
    f"""
    SELECT {", ".join(column.name for column in _FILE)}
    FROM file INDEXED BY file_refused
    WHERE mirror = :mirror AND refusal IS NOT NULL ORDER BY path LIMIT :limit
    """
).columns(*_FILE)
_UNHASHED_TIMES = text(
    """
    SELECT path, mtime_ns FROM file INDEXED BY file_unhashed
    WHERE mirror = :mirror AND hashed_ns IS NULL AND mtime_ns % 1000000 = 0
    """
)
_PATHS_OF_DIGEST = text(
    """
    SELECT path FROM file INDEXED BY file_by_digest
    WHERE mirror = :mirror AND digest = :digest AND hashed_ns IS NOT NULL ORDER BY path
    """
).bindparams(bindparam("digest", type_=file.c.digest.type))


# Built once: making a statement costs more than carrying it out.
_SEE_FILES = upsert(
    file, ("mirror", "path"), ("size", "mtime_ns", "ctime_ns", "inode", "changed_ns"),
    hashed_ns=None, refusal=None,
)  # fmt: skip
_SEE_CHANGED = upsert(
    file, ("mirror", "path"), ("size", "mtime_ns", "ctime_ns", "inode", "changed_ns"),
    only_if=FileStat.__dataclass_fields__, hashed_ns=None, refusal=None,
)  # fmt: skip
_NOTE_DIGEST = (
    update(file)
    .where(
        *(file.c[name] == bindparam(f"of_{name}") for name in ("mirror", "path")),
        *(file.c[name] == bindparam(f"of_{name}") for name in FileStat.__dataclass_fields__),
    )
    .values(digest=bindparam("as_digest"), hashed_ns=bindparam("at_ns"))
)
_FORGET_ROT = delete(schema.rot).where(
    schema.rot.c.mirror == bindparam("of_mirror"), schema.rot.c.path == bindparam("of_path")
)


def known_files(connection: Connection, mirror: int, below: bytes = b"") -> Iterator[Known]:
    """Stream what is known of a mirror's files in byte order of their paths.

    below: only this path and what lies under it.
    """
    query = select(*_KNOWN).where(file.c.mirror == mirror).order_by(file.c.path)
    if below:
        under = and_(file.c.path >= below + b"/", file.c.path < below + b"0")
        query = query.where(or_(file.c.path == below, under))
    return _plain_rows(connection.execute(query))


def _plain_rows(result: CursorResult[Any]) -> Iterator[Any]:
    """Stream rows as the driver's own tuples: a million of them are not wrapped one by one."""
    cursor: Any = result.cursor
    try:
        for row in cursor:  # noqa: UP028, since `yield from` closes the cursor, if need be too late
            yield row
    except sqlite3.Error as error:
        raise DBAPIError(None, None, error) from error


def any_file_below(connection: Connection, mirror: int, directory: bytes) -> bool:
    """Tell whether a picture was seen below a directory."""
    query = select(file.c.path).where(
        file.c.mirror == mirror,
        file.c.path >= directory + b"/",
        file.c.path < directory + b"0",
    )
    return connection.execute(query.limit(1)).first() is not None


def find_file(connection: Connection, mirror: int, path: bytes) -> FileRecord | None:
    """Return what was last seen of one file."""
    row = connection.execute(
        select(*_FILE).where(file.c.mirror == mirror, file.c.path == path)
    ).first()
    return None if row is None else to_record(FileRecord, row)


def unhashed_files(
    connection: Connection, mirror: int, after: bytes, limit: int
) -> list[FileRecord]:
    """Return files that are new or changed and not hashed since, in byte order after `after`."""
    values = {"mirror": mirror, "after": after, "limit": limit}
    return [to_record(FileRecord, row) for row in connection.execute(_UNHASHED, values)]


def unhashed_times(connection: Connection, mirror: int) -> list[tuple[bytes, int]]:
    """Return path and time (ns) of files that are not hashed yet, if that is whole ms."""
    rows = connection.execute(_UNHASHED_TIMES, {"mirror": mirror})
    return [(row.path, row.mtime_ns) for row in rows]


def see_files(
    connection: Connection, mirror: int, found: Sequence[tuple[bytes, FileStat]], now_ns: int,
    *, only_changed: bool = False,
) -> None:  # fmt: skip
    """Record new or changed files. Their digest is forgotten until they are hashed again.

    only_changed: what is recorded already as it is was recorded by somebody else meanwhile, who
    knows its digest.
    """
    rows = [
        {
            "mirror": mirror,
            "path": path,
            "key": normal_key(path),
            "size": stat.size,
            "mtime_ns": stat.mtime_ns,
            "ctime_ns": stat.ctime_ns,
            "inode": stat.inode,
            "changed_ns": now_ns,
        }
        for path, stat in found
    ]
    if not rows:
        return
    failed_readings.forget(connection, mirror, [path for path, _ in found])
    connection.execute(_SEE_CHANGED if only_changed else _SEE_FILES, rows)


def doubt_files(connection: Connection, mirror: int, paths: Sequence[bytes]) -> None:
    """Have files hashed again that look unchanged: their clock could not have shown a change."""
    if paths:
        connection.execute(
            update(file)
            .where(file.c.mirror == mirror, file.c.path == bindparam("doubted"))
            .values(hashed_ns=None, refusal=None),
            [{"doubted": path} for path in paths],
        )


def forget_files(connection: Connection, mirror: int, paths: Sequence[bytes]) -> None:
    """Record that files are not there any more. Their links stay."""
    if paths:
        failed_readings.forget(connection, mirror, paths)
        connection.execute(
            delete(file).where(file.c.mirror == mirror, file.c.path == bindparam("gone")),
            [{"gone": path} for path in paths],
        )


def note_digest(
    connection: Connection, mirror: int, path: bytes, stat: FileStat, digest: str, now_ns: int
) -> bool:
    """Record a file's digest, if the file is still the one that was hashed. Tells whether."""
    return note_digests(connection, mirror, [(path, stat, digest)], now_ns) > 0


def note_digests(
    connection: Connection, mirror: int, hashed: Sequence[tuple[bytes, FileStat, str]], now_ns: int
) -> int:
    """Record digests, of the files that are still those that were hashed. Returns how many."""
    rows = [
        {
            "of_mirror": mirror,
            "of_path": path,
            "of_size": stat.size,
            "of_mtime_ns": stat.mtime_ns,
            "of_ctime_ns": stat.ctime_ns,
            "of_inode": stat.inode,
            "as_digest": digest,
            "at_ns": now_ns,
        }
        for path, stat, digest in hashed
    ]
    return connection.execute(_NOTE_DIGEST, rows).rowcount if rows else 0


def put_file(
    connection: Connection, mirror: int, path: bytes, stat: FileStat, digest: str, now_ns: int
) -> None:
    """Record a file that we wrote ourselves and whose digest we know: it is not rotten."""
    connection.execute(_FORGET_ROT, {"of_mirror": mirror, "of_path": path})
    see_files(connection, mirror, [(path, stat)], now_ns)
    note_digest(connection, mirror, path, stat, digest, now_ns)


def paths_of_digest(connection: Connection, mirror: int, digest: str) -> list[bytes]:
    """Return the paths that hold a picture now."""
    values = {"mirror": mirror, "digest": digest}
    return list(connection.execute(_PATHS_OF_DIGEST, values).scalars())


def refuse_file(
    connection: Connection,
    mirror: int,
    path: bytes,
    reason: str,
    now_ns: int,
    digest: str | None = None,
) -> None:
    """Record that a file cannot be sent as it is. A change of the file lifts it.

    digest: only while the file still holds this picture.
    """
    query = update(file).where(file.c.mirror == mirror, file.c.path == path)
    if digest is not None:
        query = query.where(file.c.digest == digest, file.c.hashed_ns.is_not(None))
    connection.execute(query.values(refusal=reason, hashed_ns=now_ns))


def forgive(connection: Connection, mirror: int, path: bytes) -> bool:
    """Lift a refusal, so that the file is hashed and tried again. Tells whether there is a file."""
    changed = connection.execute(
        update(file)
        .where(file.c.mirror == mirror, file.c.path == path)
        .values(refusal=None, hashed_ns=None)
    )
    return changed.rowcount > 0


def forgive_all(connection: Connection, mirror: int) -> None:
    """Lift all refusals of a mirror: its limits, or this program, are others than before."""
    connection.execute(
        update(file)
        .where(file.c.mirror == mirror, file.c.refusal.is_not(None))
        .values(refusal=None, hashed_ns=None)
    )


def paths_refused_for(connection: Connection, mirror: int, reason: str) -> list[bytes]:
    """Return the paths of files that were refused for this very reason."""
    query = select(file.c.path).where(file.c.mirror == mirror, file.c.refusal == reason)
    return list(connection.execute(query.order_by(file.c.path)).scalars())


def refused_files(connection: Connection, mirror: int, limit: int) -> list[FileRecord]:
    """Return files that cannot be sent, with the reasons."""
    values = {"mirror": mirror, "limit": limit}
    return [to_record(FileRecord, row) for row in connection.execute(_REFUSED, values)]
