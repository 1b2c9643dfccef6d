"""Doubles: items of one board that carry exactly our mark of one picture, and which of them stays.

An upload whose answer was lost can be committed later than it was looked for, and two daemons
with one mirror id can send the same picture at the same moment. Every daemon sees the same items,
so every daemon has to choose the same one: the oldest. What goes always leaves an older one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW_MS = 15 * 60_000
"""How far apart, by the server's own clock, the items of one picture's attempts were made."""

STARRED = "it is starred"
OLDER = "it was not made in the moment in which its picture was sent"
SEVERAL = "each path has an item of its own here: which of them are meant cannot be told"


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the items with exactly our mark of one picture.

    linked: one of our links agrees with it. settled: something was decided about it before: its
    link was parted, a person restored it, it was made by the server itself, or its file was
    pulled. left: an upload of ours that stayed when its file went, and so is settled, too. whole:
    False for one whose bytes are not complete (yet).
    """

    item_id: str
    version: str
    created_ms: int | None = None
    linked: bool = False
    starred: bool = False
    settled: bool = False
    left: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Doubles:
    """keep: the one that stays. surplus: those that go to the trash. told: the others, and why."""

    keep: Copy | None = None
    surplus: tuple[Copy, ...] = ()
    told: tuple[tuple[Copy, str], ...] = ()


def judge(copies: Sequence[Copy], *, one_item: bool) -> Doubles:
    """Decide which items of one picture stay.

    Nothing is decided without a linked one, or one that was linked until its file went. one_item:
    the same picture at several paths is one item.
    """
    anchors = [one for one in copies if one.linked] or [one for one in copies if one.left]
    others = [one for one in copies if not one.linked and not one.settled]
    if not anchors or len(anchors) + len(others) < 2:
        return Doubles()
    if not one_item:
        return Doubles(told=tuple((one, SEVERAL) for one in _in_order(others)))
    near = [one for one in (*anchors, *others) if any(_together(one, each) for each in anchors)]
    whole = _in_order(one for one in near if one.whole)
    keep = whole[0] if whole else None
    reasons = {
        one.item_id: STARRED if one.starred else OLDER
        for one in (*anchors, *others)
        if one is not keep and (one.starred or one not in near)
    }
    surplus = [
        one for one in whole[1:]
        if one.item_id not in reasons and not one.left and not (one.linked and one.settled)
    ]  # fmt: skip
    told = [one for one in _in_order((*anchors, *others)) if one.item_id in reasons]
    return Doubles(keep, tuple(surplus), tuple((one, reasons[one.item_id]) for one in told))


def _together(one: Copy, other: Copy) -> bool:
    """Tell whether two items were made in the time of one transfer's attempts."""
    if one is other:
        return True
    if one.created_ms is None or other.created_ms is None:
        return False
    return abs(one.created_ms - other.created_ms) <= WINDOW_MS


def _in_order(copies: Iterable[Copy]) -> list[Copy]:
    """Sort items as every daemon does: the oldest first; where that is open, the shortest id."""
    return sorted(copies, key=_age)


def _age(one: Copy) -> tuple[bool, int, int, str]:
    return one.created_ms is None, one.created_ms or 0, len(one.item_id), one.item_id
