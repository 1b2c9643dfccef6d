"""Queries on runs: the history."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    Connection,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from boardsync.state.records import RunRecord
from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import mirror, moved, run, trash

_DID_SOMETHING = or_(
    text("planned + uploaded + downloaded + linked + run.moved + trashed + refused > 0"),
    run.c.error.is_not(None),
    exists().where(trash.c.run == run.c.id),
    exists().where(moved.c.run == run.c.id),
)
COUNTS = ("planned", "uploaded", "downloaded", "linked", "moved", "trashed", "refused")


def begin(connection: Connection, mirror_number: int, cause: str, now_ms: int) -> int:
    """Open a run."""
    statement = insert(run).values(mirror=mirror_number, cause=cause, started_ms=now_ms)
    return new_key(connection.execute(statement))


def count(connection: Connection, number: int | None, now_ms: int, **amounts: int) -> None:
    """Add to a run's counts; its end moves along. A run of None is nobody's."""
    if number is None:
        return
    values = {f"by_{name}": amount for name, amount in amounts.items()}
    connection.execute(_adding(tuple(amounts)), values | {"number": number, "now_ms": now_ms})


@cache
def _adding(names: tuple[str, ...]) -> Update:
    """Build the statement that adds to some counts: once, since every transfer counts."""
    sums: dict[str, object] = {name: run.c[name] + bindparam(f"by_{name}") for name in names}
    return (
        update(run)
        .where(run.c.id == bindparam("number"))
        .values(ended_ms=bindparam("now_ms"), **sums)
    )


def take_back(connection: Connection, number: int) -> None:
    """Forget a run that was opened in this transaction and turned out to have nothing to do."""
    connection.execute(delete(run).where(run.c.id == number))


def history(connection: Connection, mirror_number: int | None, limit: int) -> list[RunRecord]:
    """Return the newest runs that did something or were to, newest first.

    Left out are those that ended before they had begun: killed, or asked to bring back what could
    not be brought back.
    """
    query = (
        select(
            run.c.id,
            mirror.c.key,
            run.c.cause,
            run.c.started_ms,
            run.c.ended_ms,
            *(run.c[name] for name in COUNTS),
            run.c.error,
        )
        .join(mirror)
        .where(_DID_SOMETHING)
        .order_by(run.c.id.desc())
        .limit(limit)
    )
    if mirror_number is not None:
        query = query.where(run.c.mirror == mirror_number)
    return [to_record(RunRecord, row) for row in connection.execute(query)]


def find(connection: Connection, number: int) -> RunRecord | None:
    """Return one run."""
    query = select(
        run.c.id,
        mirror.c.key,
        run.c.cause,
        run.c.started_ms,
        run.c.ended_ms,
        *(run.c[name] for name in COUNTS),
        run.c.error,
    ).join(mirror)
    row = connection.execute(query.where(run.c.id == number)).first()
    return None if row is None else to_record(RunRecord, row)


def totals(connection: Connection, mirror_number: int) -> dict[str, int]:
    """Return the sums of all counts of a mirror's runs."""
    query = select(*(func.coalesce(func.sum(run.c[name]), 0).label(name) for name in COUNTS))
    row = connection.execute(query.where(run.c.mirror == mirror_number)).one()
    return {name: int(value) for name, value in zip(COUNTS, row, strict=True)}


def prune(connection: Connection, before_ms: int) -> int:
    """Forget runs that ended before a moment. Links keep their pictures."""
    return connection.execute(delete(run).where(run.c.ended_ms < before_ms)).rowcount
