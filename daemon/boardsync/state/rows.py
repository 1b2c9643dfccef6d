"""From rows to values, in the one place where their types are taken on trust."""

from __future__ import annotations

from typing import Any, TypeVar

R = TypeVar("R")


def to_record(kind: type[R], row: Any) -> R:
    """Build a record from a row whose columns stand in the order of its fields."""
    return kind(*row)


def new_key(result: Any) -> int:
    """Return the primary key that an INSERT made."""
    return int(result.inserted_primary_key[0])
