"""Where a pulled file came from, kept with the file itself: it survives renames and a lost state.

An extended attribute, where the filesystem has them. It is a hint and never a proof: it names
the bytes that it speaks of, and whoever reads it looks for the item.
"""

from __future__ import annotations

import json

from boardsync.files.disk import SYSTEM, Disk, PathArg

_ATTRIBUTE = "user.boardsync.origin"
_LONGEST = 4096


def write_origin(path: PathArg, item_id: str, digest: str, disk: Disk = SYSTEM) -> None:
    """Say from which item a file's bytes came. Filesystems without attributes are left as is."""
    value = json.dumps({"item": item_id, "sha256": digest}).encode()
    try:
        disk.setxattr(path, _ATTRIBUTE, value)
    except OSError:
        return  # it costs a comparison after a lost state, and nothing else


def read_origin(path: PathArg, digest: str, disk: Disk = SYSTEM) -> str | None:
    """Return the item that a file's present bytes came from, if that is known."""
    try:
        value = disk.getxattr(path, _ATTRIBUTE)
        told = json.loads(value) if len(value) <= _LONGEST else None
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("sha256") != digest:
        return None
    item_id = told.get("item")
    return item_id if isinstance(item_id, str) else None
