"""Queries on transfers: the durable queue, which is only a cache of the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, Select, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from boardsync.model import Action, ActionKind, TransferState
from boardsync.state.records import TransferRecord
from boardsync.state.schema import transfer

FINAL = (TransferState.DONE, TransferState.REFUSED, TransferState.DROPPED)
_COLUMNS = tuple(transfer.c[name] for name in TransferRecord.__dataclass_fields__)


def plan_transfers(
    connection: Connection, mirror: int, actions: Iterable[tuple[int, Action]],
    now_ms: int, run: int,
) -> int:  # fmt: skip
    """Record planned uploads and downloads; what is already under way is left alone.

    actions: pairs of our board number and the action. Returns how many are new.
    """
    rows = [
        {
            "mirror": mirror,
            "run": run,
            "kind": action.kind.value,
            "state": TransferState.READY.value,
            "reason": action.reason,
            "board": board,
            "path": action.path,
            "digest": action.digest,
            "token": action.token,
            "item_id": action.item_id,
            "version": action.version,
            "created_ms": now_ms,
            "updated_ms": now_ms,
        }
        for board, action in actions
    ]
    added = 0
    for row in rows:
        added += connection.execute(insert(transfer).on_conflict_do_nothing(), row).rowcount
    return added


def due(
    connection: Connection,
    mirrors: Collection[int],
    kind: ActionKind,
    now_ms: int,
    besides: Collection[int],
    limit: int,
    boards: Collection[int] | None = None,
) -> list[TransferRecord]:
    """Return transfers that may go now, oldest first, except those in `besides`.

    boards: only to or from these.
    """
    query = (
        _live(mirrors)
        .where(
            transfer.c.kind == kind.value,
            transfer.c.not_before_ms <= now_ms,
            transfer.c.id.not_in(besides),
        )
        .order_by(transfer.c.id)
        .limit(limit)
    )
    if boards is not None:
        query = query.where(transfer.c.board.in_(boards))
    return [_record(row) for row in connection.execute(query)]


def next_due_ms(
    connection: Connection, mirrors: Collection[int], besides: Collection[int] = ()
) -> int | None:
    """Return when the earliest waiting transfer may go, or None when none waits."""
    query = select(func.min(transfer.c.not_before_ms)).where(
        transfer.c.mirror.in_(mirrors),
        transfer.c.state.not_in(FINAL),
        transfer.c.id.not_in(besides),
    )
    value = connection.execute(query).scalar()
    return None if value is None else int(value)


def waiting(connection: Connection, mirrors: Collection[int]) -> list[TransferRecord]:
    """Return all transfers that are not finished."""
    return [_record(row) for row in connection.execute(_live(mirrors).order_by(transfer.c.id))]


def count(connection: Connection, mirrors: Collection[int]) -> int:
    """Return how many transfers are not finished."""
    query = select(func.count()).where(
        transfer.c.mirror.in_(mirrors), transfer.c.state.not_in(FINAL)
    )
    return int(connection.execute(query).scalar() or 0)


def of_path(connection: Connection, mirror: int, path: bytes) -> list[TransferRecord]:
    """Return the transfers of a file, newest first."""
    query = select(*_COLUMNS).where(transfer.c.mirror == mirror, transfer.c.path == path)
    return [_record(row) for row in connection.execute(query.order_by(transfer.c.id.desc()))]


def of_item(connection: Connection, board: int, item_id: str) -> list[TransferRecord]:
    """Return the transfers of an item, newest first."""
    query = select(*_COLUMNS).where(transfer.c.board == board, transfer.c.item_id == item_id)
    return [_record(row) for row in connection.execute(query.order_by(transfer.c.id.desc()))]


def change(connection: Connection, number: int, now_ms: int, **values: object) -> None:
    """Record a step of a transfer."""
    connection.execute(
        update(transfer).where(transfer.c.id == number).values(updated_ms=now_ms, **values)
    )


def finish(connection: Connection, number: int) -> None:
    """Forget a transfer that is done or overtaken: its link, or the next plan, says the rest."""
    connection.execute(delete(transfer).where(transfer.c.id == number))


def forget_refusals(connection: Connection, mirror: int, path: bytes | None, item_id: str | None,
                    board: int | None = None) -> int:  # fmt: skip
    """Forget that a transfer was refused, so that it is planned anew. Returns how many."""
    query = delete(transfer).where(
        transfer.c.mirror == mirror, transfer.c.state == TransferState.REFUSED.value
    )
    if path is not None:
        query = query.where(transfer.c.path == path)
    if item_id is not None:
        query = query.where(transfer.c.item_id == item_id, transfer.c.board == board)
    return connection.execute(query).rowcount


def hurry(connection: Connection, mirrors: Collection[int]) -> None:
    """Let every waiting transfer go at once: somebody asked, or the server came back."""
    connection.execute(
        update(transfer)
        .where(transfer.c.mirror.in_(mirrors), transfer.c.state.not_in(FINAL))
        .values(not_before_ms=0)
    )


def _live(mirrors: Collection[int]) -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).where(
        transfer.c.mirror.in_(mirrors), transfer.c.state.not_in(FINAL)
    )  # fmt: skip


def _record(row: object) -> TransferRecord:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    values["kind"] = ActionKind(values["kind"])
    values["state"] = TransferState(values["state"])
    return TransferRecord(**values)
