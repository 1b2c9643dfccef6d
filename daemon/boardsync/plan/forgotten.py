"""Tells a server that lost its memory from a person who deleted a board.

A server that was reset, restored from an old backup, or replaced by another one at the same address
does not know boards that it knew, and not their items either. That says nothing about pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEVERAL = 2


@dataclass(frozen=True, slots=True)
class AskedBoard:
    """A board with linked items. missing: the server does not know it. asked, known: of some of
    its linked items, how many the server was asked for, and how many it knows."""

    missing: bool
    asked: int
    known: int


def has_forgotten(boards: Sequence[AskedBoard]) -> bool:
    """Tell whether a server forgot: several boards are missing, or the only one, with all items.

    Where others are left, their newest items decide: a backup is older than those, a person who
    deleted boards left them as they were.
    """
    missing = [one for one in boards if one.missing]
    if not missing or any(one.known or not one.asked for one in missing):
        return False
    left = [one for one in boards if not one.missing]
    if not left:
        return True
    return len(missing) >= SEVERAL and any(2 * one.known <= one.asked for one in left)
