"""Brings the index up to date with a folder, from the look at it to the last picture read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from boardsync.index import follow
from boardsync.index.database import Index, using
from boardsync.index.follow import Looked
from boardsync.index.reading import Batch, read_some
from boardsync.index.records import Place
from boardsync.local.ignore import Rules
from boardsync.local.report import ScanReport
from boardsync.local.root import open_root
from boardsync.local.runs import runs

_MOST: Final = 500
_SECONDS: Final = 0.5
"""A batch, so that somebody hears of the progress."""


@dataclass(slots=True)
class Refreshed:
    """What bringing a folder up to date found. unlisted: what could not be looked at, and why."""

    looked: Looked
    read: Batch = field(default_factory=Batch)
    unlisted: list[tuple[bytes, str]] = field(default_factory=list)


def refresh(
    path: Path,
    place: Place,
    rules: Rules,
    *,
    pixels: bool = True,
    tell: Callable[[int], None] = lambda _: None,
) -> Refreshed:
    """Look at a folder and read what is new or changed in it.

    tell: hears how many pictures were read so far. Raises FolderAway, and what `using` raises.
    """
    return using(path, lambda index: _refresh(index, place, rules, pixels, tell))


def _refresh(
    index: Index, place: Place, rules: Rules, pixels: bool, tell: Callable[[int], None]
) -> Refreshed:
    open_root(place.root)  # what is no folder does not become one of the index's
    number = follow.enter(index, place)
    report, began = ScanReport(), time.time_ns() // 1_000_000

    def stays(missing: bytes) -> bool:
        return report.unproven(missing)

    def same() -> None:
        root = report.root
        follow.require_same(index, number, root.recorded if root else "", report.files)

    looked = follow.look(
        index, number, runs(place.root, rules, report), stays=stays, before_removing=same
    )
    follow.note_look(index, number, report.root.recorded if report.root else "", began)
    done = Refreshed(looked, unlisted=report.unreadable)
    done.read.left = True
    while done.read.left:
        done.read.absorb(read_some(index, number, most=_MOST, seconds=_SECONDS, pixels=pixels))
        tell(done.read.read)
    return done
