"""Queries on observations: what was last seen of files and items."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError

from boardsync.model import Entry, FileStat, Item, LinkState, Mark
from boardsync.plan.differences import Known
from boardsync.plan.names import normal_key
from boardsync.plan.tokens import mirror_prefix, token_for
from boardsync.state import failed_readings, schema
from boardsync.state.records import FileRecord
from boardsync.state.rows import to_record
from boardsync.state.schema import decode_name, file, item, link

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
_UNREAD = (
    text(
        """
    SELECT item_id FROM item INDEXED BY item_unread
    WHERE board = :board AND read = 0 AND item_id > :after ORDER BY item_id LIMIT :limit
    """
    )
    .bindparams(bindparam("after", type_=item.c.item_id.type))
    .columns(item.c.item_id)
)


def _upsert(
    table: Table, key: tuple[str, ...], fresh: Iterable[str], only_if: Iterable[str] = (),
    **fixed: object,
) -> Insert:  # fmt: skip
    """Build an INSERT that updates a row of the same key.

    fresh: columns that take the new row's value. fixed: columns that take this one. only_if:
    the row is left alone unless one of these is another.
    """
    statement = insert(table)
    taken: dict[str, object] = {name: statement.excluded[name] for name in fresh}
    differs = [table.c[name] != statement.excluded[name] for name in only_if]
    return statement.on_conflict_do_update(
        index_elements=key, set_=taken | fixed, where=or_(*differs) if differs else None
    )


# Built once: making a statement costs more than carrying it out.
_SEE_FILES = _upsert(
    file, ("mirror", "path"), ("size", "mtime_ns", "ctime_ns", "inode", "changed_ns"),
    hashed_ns=None, refusal=None,
)  # fmt: skip
_SEE_CHANGED = _upsert(
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
_SEE_ENTRIES = _upsert(item, ("board", "item_id"), ("version",), read=False)
_DESCRIBE = _upsert(
    item,
    ("board", "item_id"),
    (name for name in item.c.keys() if name not in ("board", "item_id")),  # noqa: SIM118
)


_FIND_ITEM = (
    select(item, schema.board.c.server_id)
    .join(schema.board, schema.board.c.id == item.c.board)
    .where(item.c.board == bindparam("of_board"), item.c.item_id == bindparam("of_item"))
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


def known_items(connection: Connection, board: int) -> dict[str, str]:
    """Return the items of the last listing: id to version."""
    rows = connection.exec_driver_sql("SELECT item_id, version FROM item WHERE board = ?", (board,))
    return {decode_name(row[0]): row[1] for row in rows}


def maybe_ours(
    connection: Connection, mirror_key: str, board: int, item_ids: Sequence[str]
) -> list[str]:  # fmt: skip
    """Return those of some items that were never read, or are a mirror's and agree with no file."""
    first = mirror_prefix(mirror_key)
    ours = (item.c.token >= first) & (item.c.token < first + "~")
    agreed = exists().where(
        link.c.board == board,
        link.c.item_id == item.c.item_id,
        link.c.state == LinkState.AGREED.value,
    )
    query = select(item.c.item_id).where(
        item.c.board == board,
        (item.c.read == 0) | (ours & ~agreed),
        item.c.item_id.in_(bindparam("ids", expanding=True)),
    )
    found: list[str] = []
    for start in range(0, len(item_ids), CHUNK):
        chunk = item_ids[start : start + CHUNK]
        found += connection.execute(query, {"ids": chunk}).scalars()
    return found


def see_entries(connection: Connection, board: int, entries: Sequence[Entry]) -> None:
    """Record new or changed items of a listing, not yet described."""
    if not entries:
        return
    connection.execute(
        _SEE_ENTRIES,
        [{"board": board, "item_id": e.item_id, "version": e.version} for e in entries],
    )


def carry_over(connection: Connection, board: int, item_id: str, to_board: int, now: Item) -> None:
    """Record that an item lies on another board, or has another id: `now` is what it is now.

    Its mark goes along. If it was not read yet, or forgotten since a listing lacks it, it is to
    be read where it is now.
    """
    found = {"of_board": board, "of_item": item_id}
    row = connection.execute(_FIND_ITEM, found).first()
    forget_items(connection, board, [item_id])
    if row is not None and row.read:
        describe_items(connection, to_board, [(now, parse_mark(row.mark))])
    else:
        see_entries(connection, to_board, [Entry(now.item_id, now.version)])


def forget_items(connection: Connection, board: int, item_ids: Sequence[str]) -> None:
    """Record that items are not listed any more. Their links stay."""
    if item_ids:
        connection.execute(
            delete(item).where(item.c.board == board, item.c.item_id == bindparam("gone")),
            [{"gone": item_id} for item_id in item_ids],
        )


def unread_items(connection: Connection, board: int, limit: int, after: str = "") -> list[str]:
    """Return items that are listed but whose description and mark were not read yet, by id."""
    values = {"board": board, "after": after, "limit": limit}
    return list(connection.execute(_UNREAD, values).scalars())


def describe_items(
    connection: Connection, board: int, described: Sequence[tuple[Item, Mark | None]]
) -> None:
    """Record what the server says of items, and their marks."""
    rows = [_item_values(board, one, mark) for one, mark in described]
    if rows:
        connection.execute(_DESCRIBE, rows)


def _item_values(board: int, one: Item, mark: Mark | None) -> dict[str, object]:
    return {
        "board": board,
        "item_id": one.item_id,
        "version": one.version,
        "read": True,
        "mark": None if mark is None else _packed(mark),
        "token": None if mark is None else mark.token,
        "width": one.width,
        "height": one.height,
        "created_ms": one.created_ms,
        "category": one.category,
        "intermediate": one.intermediate,
        "starred": one.starred,
        "origin": one.origin,
        "extension": one.extension,
        "size": one.size,
    }


def _packed(mark: Mark) -> str:
    """Write a mark without what follows from the rest of it: there are as many as items."""
    implied = _implied(mark.mirror, mark.file)
    told = {name: getattr(mark, name) for name in Mark.__dataclass_fields__}
    kept = {name: value for name, value in told.items() if value != implied.get(name)}
    return json.dumps(kept, separators=(",", ":"))


def parse_mark(packed: str | None) -> Mark | None:
    """Read a mark back from the state."""
    if packed is None:
        return None
    kept = json.loads(packed)
    return Mark(**(_implied(kept["mirror"], kept["file"]) | kept))


def _implied(mirror: str, digest: str) -> dict[str, Any]:
    """Return what a mark says of a picture that was sent as it is, besides whose it is."""
    return {
        "token": token_for(mirror, digest),
        "sent": digest,
        "recipe": "original",
        "version": 1,
        "name": None,
    }


def newest_created_ms(connection: Connection, board: int) -> int | None:
    """Return when, by the server's clock, the newest known item of a board was made."""
    query = select(func.max(item.c.created_ms)).where(item.c.board == board)
    return connection.execute(query).scalar()


def starred_items(connection: Connection, board: int) -> set[str]:
    """Return the items that were starred when they were last looked at."""
    query = select(item.c.item_id).where(item.c.board == board, item.c.starred)
    return set(connection.execute(query).scalars())


def note_stars(connection: Connection, board: int, changes: Mapping[str, bool]) -> int:
    """Record stars that were set, or taken off; return of how many known items."""
    query = update(item).where(item.c.board == board, item.c.item_id == bindparam("of"))
    changed = 0
    for item_id, starred in changes.items():
        changed += connection.execute(query.values(starred=starred), {"of": item_id}).rowcount
    return changed


def find_item(connection: Connection, board: int, item_id: str) -> tuple[Item, Mark | None] | None:
    """Return what was last seen of one item."""
    row = connection.execute(_FIND_ITEM, {"of_board": board, "of_item": item_id}).first()
    if row is None:
        return None
    return (
        Item(
            item_id=row.item_id,
            board_id=row.server_id,
            version=row.version,
            width=row.width,
            height=row.height,
            created_ms=row.created_ms,
            category=row.category,
            intermediate=row.intermediate,
            starred=row.starred,
            origin=row.origin,
            extension=row.extension or "",
            size=row.size,
        ),
        parse_mark(row.mark),
    )
