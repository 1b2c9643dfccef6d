"""Queries on mirrors and their boards."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from boardsync.state import items_seen
from boardsync.state.records import BoardRecord
from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import board, item, mirror, transfer, writable_words

_BOARD = (
    board.c.id,
    board.c.mirror,
    board.c.subfolder,
    board.c.asked,
    board.c.server_id,
    board.c.name,
    board.c.made_by_us,
    board.c.listing_digest,
    board.c.listed_ms,
    board.c.listing_seconds,
    board.c.missing_since_ms,
)


_BOARD_BY_ID = select(*_BOARD).where(board.c.id == bindparam("number"))


def mirror_id(connection: Connection, key: str) -> int:
    """Return our number for a mirror's `id`, made at first sight."""
    found = find_mirror(connection, key)
    if found is not None:
        return found
    return new_key(connection.execute(insert(mirror).values(key=key)))


def find_mirror(connection: Connection, key: str) -> int | None:
    """Return our number for a mirror's `id`, or None when it was never run."""
    return connection.execute(select(mirror.c.id).where(mirror.c.key == key)).scalar()


def root_identity(connection: Connection, number: int) -> str | None:
    """Return which folder the last walk went through: its device and inode."""
    return connection.execute(select(mirror.c.root).where(mirror.c.id == number)).scalar()


def note_limits(connection: Connection, number: int, limits: str) -> bool:
    """Record what decides whether a picture is refused. Tells whether that has changed."""
    before = connection.execute(select(mirror.c.limits).where(mirror.c.id == number)).scalar()
    if before != limits:
        connection.execute(update(mirror).where(mirror.c.id == number).values(limits=limits))
    return before not in (None, limits)


def note_scan(
    connection: Connection, number: int, now_ms: int, root: str, *, complete: bool
) -> None:
    """Record that the folder was walked, and which folder that was."""
    values = {"scanned_ms": now_ms, "scan_complete": complete, "root": root}
    connection.execute(update(mirror).where(mirror.c.id == number).values(**values))


def scanned_ms(connection: Connection, number: int) -> int | None:
    """Return when the folder was last walked."""
    return connection.execute(select(mirror.c.scanned_ms).where(mirror.c.id == number)).scalar()


def note_trouble(connection: Connection, number: int, text: str | None, now_ms: int) -> None:
    """Record why a mirror cannot go on; None clears it. The first moment of a cause is kept."""
    row = connection.execute(select(mirror.c.trouble).where(mirror.c.id == number)).one()
    if row.trouble == (text and writable_words(text)):
        return
    connection.execute(
        update(mirror)
        .where(mirror.c.id == number)
        .values(trouble=text, trouble_since_ms=None if text is None else now_ms)
    )


def trouble(connection: Connection, number: int) -> tuple[str, int] | None:
    """Return why a mirror cannot go on, and since when (ms)."""
    row = connection.execute(
        select(mirror.c.trouble, mirror.c.trouble_since_ms).where(mirror.c.id == number)
    ).one()
    return None if row.trouble is None else (row.trouble, row.trouble_since_ms)


def boards(connection: Connection, number: int) -> list[BoardRecord]:
    """Return the boards that a mirror uses now."""
    query = select(*_BOARD).where(board.c.mirror == number, board.c.current)
    return [
        to_record(BoardRecord, row) for row in connection.execute(query.order_by(board.c.subfolder))
    ]


def board_for(connection: Connection, number: int, subfolder: bytes) -> BoardRecord | None:
    """Return the board that a subfolder's pictures go to."""
    query = select(*_BOARD).where(
        board.c.mirror == number, board.c.subfolder == subfolder, board.c.current
    )
    row = connection.execute(query).first()
    return None if row is None else to_record(BoardRecord, row)


def ever_bound(connection: Connection, number: int) -> set[str]:
    """Return the server's ids of all boards that a mirror uses or used."""
    query = select(board.c.server_id).where(
        board.c.mirror == number, board.c.server_id.is_not(None)
    )
    return set(connection.execute(query).scalars())


def board_by_id(connection: Connection, board_id: int) -> BoardRecord:
    """Return a board by our number."""
    row = connection.execute(_BOARD_BY_ID, {"number": board_id}).one()
    return to_record(BoardRecord, row)


def retire_subfolders(connection: Connection, number: int) -> None:
    """Stop using the boards of subfolders: one board is for the whole folder now."""
    connection.execute(
        update(board)
        .where(board.c.mirror == number, board.c.subfolder != b"", board.c.current)
        .values(current=False)
    )


def retire_board(connection: Connection, number: int) -> None:
    """Stop using a board that is gone, and forget what was to travel there and what it held."""
    connection.execute(update(board).where(board.c.id == number).values(current=False))
    connection.execute(delete(transfer).where(transfer.c.board == number))
    connection.execute(delete(item).where(item.c.board == number))


def bind_board(
    connection: Connection,
    number: int,
    subfolder: bytes,
    server_id: str | None,
    name: str,
    *,
    asked: str | None = None,
    made_by_us: bool = False,
) -> BoardRecord:
    """Say which board a subfolder's pictures go to from now on.

    asked: what the settings call it, by default its name.
    Earlier ones keep their links; their transfers are forgotten, for they could never end.
    """
    connection.execute(
        update(board)
        .where(board.c.mirror == number, board.c.subfolder == subfolder, board.c.current)
        .values(current=False)
    )
    old = connection.execute(
        select(board.c.id).where(
            board.c.mirror == number,
            board.c.subfolder == subfolder,
            board.c.server_id.is_(server_id)
            if server_id is None
            else board.c.server_id == server_id,
        )
    ).scalar()
    if old is not None:
        connection.execute(
            update(board)
            .where(board.c.id == old)
            .values(current=True, asked=asked or name, name=name, missing_since_ms=None)
        )
    else:
        connection.execute(
            insert(board).values(
                mirror=number,
                subfolder=subfolder,
                asked=asked or name,
                server_id=server_id,
                name=name,
                made_by_us=made_by_us,
            )
        )
    bound = board_for(connection, number, subfolder)
    assert bound is not None  # noqa: S101
    _forget_transfers_elsewhere(connection, bound)
    return bound


def _forget_transfers_elsewhere(connection: Connection, bound: BoardRecord) -> None:
    """Forget what was to travel between a subfolder and its earlier boards: it is planned anew."""
    earlier = select(board.c.id).where(
        board.c.mirror == bound.mirror,
        board.c.subfolder == bound.subfolder,
        board.c.id != bound.id,
    )
    connection.execute(delete(transfer).where(transfer.c.board.in_(earlier)))


def any_listed(connection: Connection, mirror_keys: Sequence[str]) -> bool:
    """Tell whether a board of one of these mirrors was ever listed."""
    query = (
        select(board.c.id)
        .join(mirror)
        .where(mirror.c.key.in_(mirror_keys), board.c.listed_ms.is_not(None))
    )
    return connection.execute(query.limit(1)).first() is not None


def note_listing(
    connection: Connection, board_id: int, digest: str | None, now_ms: int, seconds: float
) -> None:
    """Record a listing that was seen. digest None: the next one is parsed whatever it says."""
    connection.execute(
        update(board)
        .where(board.c.id == board_id)
        .values(
            listing_digest=digest,
            listed_ms=now_ms,
            listing_seconds=seconds,
            missing_since_ms=None,
        )
    )


def note_board_missing(connection: Connection, board_id: int, now_ms: int) -> None:
    """Record that the server does not know a board any more; the first moment is kept."""
    connection.execute(
        update(board)
        .where(board.c.id == board_id, board.c.missing_since_ms.is_(None))
        .values(missing_since_ms=now_ms, listing_digest=None)
    )


def forget_listing(connection: Connection, board_id: int) -> None:
    """Have a board's next listing parsed, whatever it says."""
    connection.execute(update(board).where(board.c.id == board_id).values(listing_digest=None))


def forget_listings(connection: Connection, number: int) -> None:
    """Have every listing of a mirror parsed again at its next observation."""
    connection.execute(update(board).where(board.c.mirror == number).values(listing_digest=None))


def has_unread(connection: Connection, board_id: int) -> bool:
    """Tell whether a board lists items whose marks were not read yet."""
    return bool(items_seen.unread_items(connection, board_id, 1))
