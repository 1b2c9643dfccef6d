"""Where a pulled file came from, kept with the file itself: it survives renames and a lost state.

An extended attribute, where the filesystem has them. It is a hint and never a proof: it names
the bytes that it speaks of, and whoever reads it looks for the item.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from boardsync.files.disk import SYSTEM, Disk, PathArg

_ATTRIBUTE = "user.boardsync.origin"
_LONGEST = 4096


class Origin(NamedTuple):
    """An item, and which version of it: "" where items never change.

    mirror, board: the mirror's `id` and the server's id of the board that it was pulled from: where
    names are ids, other boards have items of the same name. "" where older attributes say nothing.
    """

    item_id: str
    version: str = ""
    mirror: str = ""
    board: str = ""


def write_origin(path: PathArg, origin: Origin, digest: str, disk: Disk = SYSTEM) -> None:
    """Say from which item a file's bytes came. Filesystems without attributes are left as is."""
    told = {
        "item": origin.item_id, "sha256": digest, "version": origin.version,
        "mirror": origin.mirror, "board": origin.board,
    }  # fmt: skip
    value = json.dumps(told).encode()
    try:
        disk.setxattr(path, _ATTRIBUTE, value)
    except OSError:
        return  # it costs a comparison after a lost state, and nothing else


def read_origin(path: PathArg, digest: str, disk: Disk = SYSTEM) -> Origin | None:
    """Return the item that a file's present bytes came from, if that is known."""
    try:
        value = disk.getxattr(path, _ATTRIBUTE)
        told = json.loads(value) if len(value) <= _LONGEST else None
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("sha256") != digest:
        return None
    words = [told.get("item"), *(told.get(name, "") for name in ("version", "mirror", "board"))]
    return Origin(*words) if all(isinstance(one, str) for one in words) else None
