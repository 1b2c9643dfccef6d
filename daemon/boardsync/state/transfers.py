"""Queries on transfers: the durable queue, which is only a cache of the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    Update,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from boardsync.model import Action, ActionKind, TransferState
from boardsync.state.records import TransferRecord
from boardsync.state.schema import run, transfer

FINAL = (TransferState.DONE, TransferState.REFUSED, TransferState.DROPPED)
UPLOADS = (ActionKind.UPLOAD,)
DOWNLOADS = (ActionKind.DOWNLOAD,)
STEPS = (
    ActionKind.MOVE_ITEM,
    ActionKind.MOVE_FILE,
    ActionKind.SET_ASIDE,
    ActionKind.RESTORE_ITEM,
    ActionKind.TRASH_ITEM,
    ActionKind.TRASH_FILE,
    ActionKind.TRASH_DOUBLE,
    ActionKind.SEND_AGAIN,
)
"""What is carried out without sending a picture's bytes."""
TRAVELLING = (*UPLOADS, *DOWNLOADS, *STEPS)
_COLUMNS = tuple(transfer.c[name] for name in TransferRecord.__dataclass_fields__)

# Spelled out, not bound: only so does SQLite see that the index of what waits holds the answer.
# With a hundred thousand waiting, a query that it cannot answer costs more than an upload.
LIVE = "transfer.state NOT IN ('done', 'refused', 'dropped')"
_WAITING = f"FROM transfer WHERE mirror = :mirror AND kind IN :kinds AND {LIVE}"
_BESIDES: BindParameter[list[int]] = bindparam("besides", expanding=True)
_KINDS: BindParameter[list[str]] = bindparam("kinds", expanding=True)
_DUE = (
    f"SELECT {', '.join(column.name for column in _COLUMNS)} {_WAITING}"
    " AND not_before_ms <= :now AND id NOT IN :besides"
)
_FIRST = " ORDER BY not_before_ms, id LIMIT :limit"
_DUE_ANYWHERE = text(_DUE + _FIRST).bindparams(_BESIDES, _KINDS).columns(*_COLUMNS)
_DUE_ON_BOARDS = (
    text(_DUE + " AND board IN :boards" + _FIRST)
    .bindparams(_BESIDES, _KINDS, bindparam("boards", expanding=True))
    .columns(*_COLUMNS)
)
_EARLIEST = text(f"SELECT min(not_before_ms) {_WAITING} AND id NOT IN :besides").bindparams(
    _BESIDES, _KINDS
)
_EARLIEST_ON_BOARDS = text(
    f"SELECT min(not_before_ms) {_WAITING} AND id NOT IN :besides AND board IN :boards"
).bindparams(_BESIDES, _KINDS, bindparam("boards", expanding=True))
_FINISH = delete(transfer).where(transfer.c.id == bindparam("number"))


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
            "link": action.link,
            "target": action.target,
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
    kinds: Collection[ActionKind],
    now_ms: int,
    besides: Collection[int],
    limit: int,
    boards: Collection[int] | None = None,
) -> list[TransferRecord]:
    """Return transfers that may go now, those first that may go longest, then the oldest.

    Without those in `besides`. boards: only to or from these.
    """
    query = _DUE_ANYWHERE if boards is None else _DUE_ON_BOARDS
    values = {
        "kinds": _values(kinds), "now": now_ms, "besides": list(besides), "limit": limit,
    }  # fmt: skip
    if boards is not None:
        values["boards"] = list(boards)
    found = [
        _record(row)
        for mirror in mirrors
        for row in connection.execute(query, values | {"mirror": mirror})
    ]
    return sorted(found, key=lambda one: (one.not_before_ms, one.id))[:limit]


def next_due_ms(
    connection: Connection,
    mirrors: Collection[int],
    kinds: Collection[ActionKind] = TRAVELLING,
    besides: Collection[int] = (),
    boards: Collection[int] | None = None,
) -> int | None:
    """Return when the earliest waiting transfer of some kinds may go, or None when none waits.

    boards: only to or from these.
    """
    moments = []
    for mirror in mirrors:
        values = {"mirror": mirror, "besides": list(besides), "kinds": _values(kinds)}
        if boards is None:
            moments.append(connection.execute(_EARLIEST, values).scalar())
        else:
            values["boards"] = list(boards)
            moments.append(connection.execute(_EARLIEST_ON_BOARDS, values).scalar())
    return min((int(moment) for moment in moments if moment is not None), default=None)


def waiting(connection: Connection, mirrors: Collection[int]) -> list[TransferRecord]:
    """Return all transfers that are not finished."""
    return [_record(row) for row in connection.execute(_live(mirrors).order_by(transfer.c.id))]


def planned_by(
    connection: Connection, mirror: int, causes: Collection[str]
) -> list[TransferRecord]:
    """Return the unfinished transfers of runs that had one of some causes."""
    of_cause = select(run.c.id).where(run.c.mirror == mirror, run.c.cause.in_(causes))
    query = _live([mirror]).where(transfer.c.run.in_(of_cause)).order_by(transfer.c.id)
    return [_record(row) for row in connection.execute(query)]


def upload_times(connection: Connection, mirror: int) -> list[tuple[int, int]]:
    """Return, for files on their way up, the board and the time (ns), if that is whole ms."""
    query = text(
        "SELECT transfer.board, f.mtime_ns FROM transfer JOIN file f"
        " ON f.mirror = transfer.mirror AND f.path = transfer.path"
        f" WHERE transfer.mirror = :mirror AND transfer.kind = 'upload' AND {LIVE}"
        " AND f.mtime_ns % 1000000 = 0"
    )
    return [(row.board, row.mtime_ns) for row in connection.execute(query, {"mirror": mirror})]


def busy_boards(connection: Connection, mirror: int) -> set[int]:
    """Return the boards with transfers that are not finished."""
    query = select(transfer.c.board).distinct().where(transfer.c.mirror == mirror, text(LIVE))
    return set(connection.execute(query).scalars())


def temporaries(connection: Connection, mirror: int) -> set[bytes]:
    """Return the temporary files that unfinished downloads still own."""
    query = select(transfer.c.temporary).where(
        transfer.c.mirror == mirror,
        transfer.c.state.not_in(FINAL),
        transfer.c.temporary.is_not(None),
    )
    return set(connection.execute(query).scalars())


def failing(connection: Connection, mirror: int, limit: int) -> list[TransferRecord]:
    """Return unfinished transfers whose last attempt failed, oldest first."""
    query = _live([mirror]).where(transfer.c.error.is_not(None))
    return [_record(row) for row in connection.execute(query.order_by(transfer.c.id).limit(limit))]


def count(connection: Connection, mirrors: Collection[int]) -> int:
    """Return how many transfers are not finished."""
    query = select(func.count()).where(transfer.c.mirror.in_(mirrors), text(LIVE))
    return int(connection.execute(query).scalar() or 0)


def of_path(connection: Connection, mirror: int, path: bytes) -> list[TransferRecord]:
    """Return the transfers of a file, newest first."""
    query = select(*_COLUMNS).where(transfer.c.mirror == mirror, transfer.c.path == path)
    return [_record(row) for row in connection.execute(query.order_by(transfer.c.id.desc()))]


def is_busy(connection: Connection, mirror: int, path: bytes, *, besides: int = 0) -> bool:
    """Tell whether a file is on its way, or a name at which one is being placed.

    besides: a transfer that does not count.
    """
    query = select(transfer.c.id).where(
        transfer.c.mirror == mirror, text(LIVE), transfer.c.id != besides,
        (transfer.c.path == path) | (transfer.c.final == path),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def any_waiting(
    connection: Connection, mirror: int, kinds: Collection[ActionKind]
) -> bool:  # fmt: skip
    """Tell whether a mirror has unfinished transfers of some kinds."""
    query = select(transfer.c.id).where(
        transfer.c.mirror == mirror, transfer.c.kind.in_(_values(kinds)), text(LIVE)
    )
    return connection.execute(query.limit(1)).first() is not None


def moving_items(connection: Connection, mirror: int) -> set[tuple[int, str]]:
    """Return the pictures, by their tokens, whose items are to move, with the boards they go to."""
    query = select(transfer.c.board, transfer.c.token).where(
        transfer.c.mirror == mirror, transfer.c.kind == ActionKind.MOVE_ITEM.value, text(LIVE)
    )
    return {(board, token) for board, token in connection.execute(query) if token is not None}


def any_live(connection: Connection, board: int) -> bool:
    """Tell whether anything is on its way to or from a board."""
    query = select(transfer.c.id).where(transfer.c.board == board, text(LIVE))
    return connection.execute(query.limit(1)).first() is not None


def of_item(connection: Connection, board: int, item_id: str) -> list[TransferRecord]:
    """Return the transfers of an item, newest first."""
    query = select(*_COLUMNS).where(transfer.c.board == board, transfer.c.item_id == item_id)
    return [_record(row) for row in connection.execute(query.order_by(transfer.c.id.desc()))]


def change(connection: Connection, number: int, now_ms: int, **values: object) -> None:
    """Record a step of a transfer."""
    connection.execute(_changing(tuple(values)), values | {"number": number, "updated_ms": now_ms})


@cache
def _changing(names: tuple[str, ...]) -> Update:
    """Build the statement that changes some columns: once, since every transfer takes steps."""
    taken: dict[str, object] = {name: bindparam(name) for name in ("updated_ms", *names)}
    return update(transfer).where(transfer.c.id == bindparam("number")).values(**taken)


def outcomes(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """Tell what became of attempts: refused, failed or waiting; nothing of those that are through.

    What waits has no error: it was put off on purpose.
    """
    driver: Any = connection.connection.driver_connection
    places = ", ".join("?" * len(numbers))
    # Past SQLAlchemy, whose part would be nine tenths of it: every transfer is asked for.
    rows = driver.execute(
        f"SELECT id, state, error IS NOT NULL FROM transfer WHERE id IN ({places})", (*numbers,)
    ).fetchall()
    return {number: _outcome(state, failed=bool(failed)) for number, state, failed in rows}


def _outcome(state: str, *, failed: bool) -> str:
    if state == TransferState.REFUSED:
        return "refused"
    return "failed" if failed else "waiting"


def finish(connection: Connection, number: int) -> None:
    """Forget a transfer that is done or overtaken: its link, or the next plan, says the rest."""
    connection.execute(_FINISH, {"number": number})


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


def forget_all_refusals(connection: Connection, mirror: int) -> int:
    """Forget all that was refused, so that it is planned anew. Returns how many."""
    refused = transfer.c.state == TransferState.REFUSED.value
    query = delete(transfer).where(transfer.c.mirror == mirror, refused)
    return connection.execute(query).rowcount


def forget_unfinished(
    connection: Connection, mirror: int, besides: Collection[int] = ()
) -> None:  # fmt: skip
    """Forget what is planned and not finished. Only for a copy that a plan is made on."""
    connection.execute(
        delete(transfer).where(
            transfer.c.mirror == mirror,
            transfer.c.state.not_in(FINAL),
            transfer.c.id.not_in(besides),
        )
    )


def forget_uploads(connection: Connection, board: int) -> None:
    """Forget what is to go to a board."""
    connection.execute(
        delete(transfer).where(
            transfer.c.board == board,
            transfer.c.kind.in_(_values(UPLOADS)),
            transfer.c.state.not_in(FINAL),
        )
    )


def withdraw_unsent(connection: Connection, mirror: int, besides: Collection[int]) -> int:
    """Forget uploads and downloads that never began: the next pass plans them anew.

    Without those in `besides`, which are under way. Returns how many.
    """
    query = delete(transfer).where(
        transfer.c.mirror == mirror,
        transfer.c.kind.in_(_values((*UPLOADS, *DOWNLOADS))),
        transfer.c.state == TransferState.READY.value,
        transfer.c.attempts == 0,
        transfer.c.link.is_(None),
        transfer.c.id.not_in(besides),
    )
    return connection.execute(query).rowcount


def is_sending(connection: Connection, board: int, token: str) -> bool:
    """Tell whether a picture is on its way to a board."""
    query = select(transfer.c.id).where(
        transfer.c.board == board, transfer.c.token == token,
        transfer.c.kind == ActionKind.UPLOAD.value, text(LIVE),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def hurry(connection: Connection, mirrors: Collection[int], after_ms: int = 0) -> None:
    """Let every waiting transfer go at once: somebody asked, or the server came back.

    after_ms: only those that would have waited until later than that.
    """
    connection.execute(
        update(transfer)
        .where(transfer.c.mirror.in_(mirrors), text(LIVE), transfer.c.not_before_ms > after_ms)
        .values(not_before_ms=0)
    )


def _values(kinds: Collection[ActionKind]) -> list[str]:
    return [kind.value for kind in kinds]


def _live(mirrors: Collection[int]) -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).where(transfer.c.mirror.in_(mirrors), text(LIVE))


def _record(row: object) -> TransferRecord:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    values["kind"] = ActionKind(values["kind"])
    values["state"] = TransferState(values["state"])
    return TransferRecord(**values)
