"""What changed between what is known of files and what was found: a merge of two sorted streams."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from boardsync.model import FileStat
from boardsync.plan.settling import is_racy

Known = tuple[bytes, int, int, int, int, int | None]
"""path, size, mtime_ns, ctime_ns, inode, hashed_ns: a plain tuple, for a million of them."""


class Change(Enum):
    """How a file differs from what is known of it."""

    SEEN = auto()
    """New, or its stat is another."""
    DOUBTED = auto()
    """Looks unchanged, but was hashed too soon after its last change for a clock to tell."""
    GONE = auto()


class Difference(NamedTuple):
    """One file that is not as it is known. stat is None for a file that is gone."""

    path: bytes
    change: Change
    stat: FileStat | None


def differences(
    found: Iterator[tuple[bytes, FileStat]], known: Iterator[Known], now_ns: int
) -> Iterator[Difference]:
    """Merge two streams that are in byte order of their paths."""
    before = next(known, None)
    for path, stat in found:
        while before is not None and before[0] < path:
            yield Difference(before[0], Change.GONE, None)
            before = next(known, None)
        if before is None or before[0] != path:
            yield Difference(path, Change.SEEN, stat)
            continue
        change = compare(stat, before, now_ns)
        if change is not None:
            yield Difference(path, change, stat)
        before = next(known, None)
    while before is not None:
        yield Difference(before[0], Change.GONE, None)
        before = next(known, None)


def compare(stat: FileStat, known: Known, now_ns: int) -> Change | None:
    """Compare a file with what is known of the same path."""
    if (stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode) != known[1:5]:
        return Change.SEEN
    hashed_ns = known[5]
    # A second hashing settles the doubt, but only once the clock has moved on.
    doubted = hashed_ns is not None and is_racy(stat, hashed_ns) and not is_racy(stat, now_ns)
    return Change.DOUBTED if doubted else None
