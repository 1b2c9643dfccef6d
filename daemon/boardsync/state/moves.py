"""Queries on the journal of moves: what runs moved or renamed, and what was put back since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import moved

ITEM, FILE, BOARD = "item", "file", "board"
DONE, UNDOING, UNDONE = "done", "undoing", "undone"


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """A move that a run made.

    what: `item`, `file` or `board`. state: `done`; `undoing`, once putting it back has begun;
    `undone`. path_before, path_after: of the file; of a renamed board its subfolder. board_before,
    board_after: ours. item_before, item_after: the item's id; of a renamed board its name.
    """

    id: int
    mirror: int
    run: int | None
    what: str
    state: str
    link: int | None
    path_before: bytes
    path_after: bytes
    board_before: int
    board_after: int
    item_before: str
    item_after: str
    version: str
    since_ms: int


_COLUMNS = tuple(moved.c[name] for name in MoveRecord.__dataclass_fields__)


def add(connection: Connection, now_ms: int, **values: object) -> int:
    """Record a move. Returns its number."""
    fixed = {"state": DONE, "since_ms": now_ms, "updated_ms": now_ms}
    return new_key(connection.execute(insert(moved).values(**values, **fixed)))


def note(connection: Connection, number: int, state: str, now_ms: int) -> None:
    """Record how far a move was put back."""
    connection.execute(
        update(moved).where(moved.c.id == number).values(state=state, updated_ms=now_ms)
    )


def of_run(
    connection: Connection, run: int, states: Collection[str] = (DONE, UNDOING, UNDONE)
) -> list[MoveRecord]:
    """Return the moves of a run, in their order."""
    query = select(*_COLUMNS).where(moved.c.run == run, moved.c.state.in_(states))
    return [to_record(MoveRecord, row) for row in connection.execute(query.order_by(moved.c.id))]


def prune(connection: Connection, before_ms: int) -> None:
    """Forget moves from before a moment."""
    connection.execute(moved.delete().where(moved.c.since_ms < before_ms))
