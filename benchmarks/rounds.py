"""Rounds: both sides in turn, so that a machine's moods meet both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Pairs(Generic[T, U]):
    """What the rounds of two sides gave."""

    ours: tuple[T, ...]
    theirs: tuple[U, ...]


def alternate(
    ours: Callable[[], T], theirs: Callable[[], U], *, rounds: int, budget: float
) -> Pairs[T, U]:
    """Measure both sides in turn: ours first, then theirs first, and so on.

    budget: seconds after which no further round begins; the first is always made.
    """
    until = time.monotonic() + budget
    first: list[T] = []
    second: list[U] = []
    for number in range(rounds):
        if first and time.monotonic() >= until:
            break
        if number % 2 == 0:
            first.append(ours())
            second.append(theirs())
        else:
            second.append(theirs())
            first.append(ours())
    return Pairs(tuple(first), tuple(second))
