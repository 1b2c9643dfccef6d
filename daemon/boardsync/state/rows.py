"""From rows to values, in the one place where their types are taken on trust, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Table, or_
from sqlalchemy.dialects.sqlite import Insert, insert

R = TypeVar("R")


def to_record(kind: type[R], row: Any) -> R:
    """Build a record from a row whose columns stand in the order of its fields."""
    return kind(*row)


def new_key(result: Any) -> int:
    """Return the primary key that an INSERT made."""
    return int(result.inserted_primary_key[0])


def upsert(
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
