"""Where images are looked for: one board, Uncategorized, or everywhere."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Everywhere(Enum):
    """The type of EVERYWHERE, which no board id can be."""

    EVERYWHERE = "everywhere"


EVERYWHERE: Final = Everywhere.EVERYWHERE

Place = str | None | Literal[Everywhere.EVERYWHERE]
"""A board's id, None for Uncategorized, or EVERYWHERE."""


def in_words(place: Place) -> str:
    """Name a place in a message."""
    if place is EVERYWHERE:
        return "any board"
    return "Uncategorized" if place is None else f"board {place}"
