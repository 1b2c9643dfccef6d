"""Writes sidecars beside pictures, and lets them follow where their pictures go.

Nothing that is not ours is replaced, moved or removed: a sidecar is only a help, and can be
written again. So nothing here keeps a picture from being moved.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from boardsync.errors import BoardsyncError
from boardsync.files.disk import SYSTEM, Disk, PathArg
from boardsync.files.durable import move_without_replacing, remove_if_there
from boardsync.files.snapshot import read_snapshot
from boardsync.plan.sidecars import LONGEST, Kind, is_ours, sidecar_of


class Written(Enum):
    """What became of a sidecar that was to be written."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    NOT_OURS = "another file is there"


def read_sidecar(path: PathArg, disk: Disk = SYSTEM) -> bytes | None:
    """Return a sidecar of ours as it stands; None for anything else."""
    try:
        content = read_snapshot(path, LONGEST, disk).content
    except BoardsyncError:
        return None
    return content if is_ours(content) else None


def write_sidecar(
    path: bytes, content: bytes, temporary: bytes, disk: Disk = SYSTEM, *,
    mode: int = 0o666, give: Callable[[int], None] = lambda _: None,
) -> Written:  # fmt: skip
    """Write a sidecar in one step, durable, in place of one of ours.

    temporary: a name beside it that nobody else uses. give: is handed the open file while nobody
    knows its name. Raises OSError.
    """
    if disk.lexists(path):
        there = read_sidecar(path, disk)
        if there is None:
            return Written.NOT_OURS
        if there == content:
            return Written.UNCHANGED
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    stream = disk.fdopen(disk.open(temporary, flags, mode), "w+b")
    try:
        with stream:
            stream.write(content)
            give(stream.fileno())
            disk.sync_stream(stream)
        return _put(path, temporary, disk)
    finally:
        remove_if_there(temporary, disk)


def follow(source: bytes, target: bytes, disk: Disk = SYSTEM) -> None:
    """Move the sidecars of a picture that was moved. What cannot be moved stays."""
    for kind in Kind:
        old, new = sidecar_of(source, kind), sidecar_of(target, kind)
        if disk.lexists(old) and read_sidecar(old, disk) is not None:
            with suppress(OSError):
                move_without_replacing(old, new, disk)


def remove_sidecars(path: bytes, disk: Disk = SYSTEM) -> None:
    """Remove the sidecars of a picture that was removed for good."""
    for kind in Kind:
        sidecar = sidecar_of(path, kind)
        if disk.lexists(sidecar) and read_sidecar(sidecar, disk) is not None:
            with suppress(OSError):
                remove_if_there(sidecar, disk)


def _put(path: bytes, temporary: bytes, disk: Disk) -> Written:
    """Give a sidecar its name. The old one steps aside first and is looked at once more."""
    aside = temporary + b"-old"
    with suppress(FileNotFoundError):
        move_without_replacing(path, aside, disk)
    if disk.lexists(aside):
        if read_sidecar(aside, disk) is None:
            # Somebody wrote to it a moment ago: it goes back, and not over anything either.
            move_without_replacing(aside, path, disk)
            return Written.NOT_OURS
        disk.unlink(aside)
    try:
        move_without_replacing(temporary, path, disk)
    except FileExistsError:
        return Written.NOT_OURS
    return Written.WRITTEN
