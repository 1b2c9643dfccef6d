"""Tells whether an item left its board by our own doing while somebody was looking at it.

A picture that is found on a board may be on its way into the trash, since another file had it
before: whoever linked it then would follow it there.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select, text

from boardsync.model import ActionKind, TransferState
from boardsync.state.schema import moved, transfer, trash
from boardsync.state.transfers import LIVE

_REMOVALS = (
    ActionKind.TRASH_ITEM.value, ActionKind.TRASH_DOUBLE.value, ActionKind.SEND_AGAIN.value,
)  # fmt: skip
_LEAVING = select(transfer.c.id).where(
    transfer.c.kind.in_(_REMOVALS), transfer.c.state == TransferState.SENDING.value
)

_NEWEST = text(
    "SELECT (SELECT max(id) FROM trash) AS trashed, (SELECT max(id) FROM moved) AS moved"
)


class Departures(NamedTuple):
    """The newest entries of both journals: what is younger has left since."""

    trashed: int
    moved: int


def newest(connection: Connection) -> Departures:
    """Return what has left so far. Asked for before the server is."""
    row = connection.execute(_NEWEST).one()
    return Departures(row.trashed or 0, row.moved or 0)


def any_leaving(connection: Connection, mirror: int) -> bool:
    """Tell whether any item is being put into the trash."""
    # With the words of the index of what waits: there may be a hundred thousand.
    query = _LEAVING.where(transfer.c.mirror == mirror, text(LIVE)).limit(1)
    return connection.execute(query).first() is not None


def is_leaving(connection: Connection, board: int, item_id: str) -> bool:
    """Tell whether an item is being put into the trash: the server may have done it already."""
    query = _LEAVING.where(transfer.c.board == board, transfer.c.item_id == item_id).limit(1)
    return connection.execute(query).first() is not None


def has_left(connection: Connection, board: int, item_id: str, since: Departures) -> bool:
    """Tell whether an item is leaving its board, or left it since some moment."""
    if is_leaving(connection, board, item_id):
        return True
    trashed = select(trash.c.id).where(
        trash.c.id > since.trashed, trash.c.board == board, trash.c.item_id == item_id
    )
    gone = select(moved.c.id).where(
        moved.c.id > since.moved, moved.c.board_before == board, moved.c.item_before == item_id
    )
    return connection.execute(trashed.union(gone).limit(1)).first() is not None
