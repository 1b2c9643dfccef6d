"""Taking away what killed uploads left behind in a marks folder.

Only temporary files that nobody writes any more, and what is old; of a mark only one that speaks
of an item that is certainly not there: the upload it belongs to may be another daemon's, and a
mark is what tells our items from others'.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from boardsync.files.durable import TEMP_PREFIX, remove_abandoned, remove_if_there
from boardsync.servers.directory.marks import (
    EXTENSION,
    marks_folder,
    name_key,
    name_key_of,
    read_mark,
)
from boardsync.servers.directory.renames import is_second_name

_STALE_NS = 86_400_000_000_000
_TEMPORARY = os.fsdecode(TEMP_PREFIX)


def sweep(folder: str, now_ns: int) -> int:
    """Remove leftovers beside the items of `folder`; return how many. Raises OSError."""
    try:
        leftovers = sorted(os.listdir(marks_folder(folder)))
        present = {name_key(name) for name in os.listdir(folder)}
    except FileNotFoundError:
        return 0
    removed = 0
    for name in leftovers:
        path = os.path.join(marks_folder(folder), name)
        if name.startswith(_TEMPORARY):
            removed += _remove_temporary(path, now_ns)
        elif _is_old(path, now_ns) and _is_leftover(folder, name, present):
            removed += remove_if_there(path)
    return removed


def sweep_temporaries(folder: str, now_ns: int) -> int:
    """Remove only what was being written beside the items of `folder`. Raises OSError."""
    beside = marks_folder(folder)
    names = [name for name in os.listdir(beside) if name.startswith(_TEMPORARY)]
    return sum(_remove_temporary(os.path.join(beside, name), now_ns) for name in names)


def _remove_temporary(path: str, now_ns: int) -> bool:
    """Remove a temporary file that is nobody's: by its lock, or else by its age."""
    removed = remove_abandoned(path)
    if removed is None:
        return _is_old(path, now_ns) and remove_if_there(path)
    return removed


def _is_leftover(folder: str, name: str, present: Collection[str]) -> bool:
    """Tell whether something is a half-finished renaming, or a mark without its item.

    present: the keys of the names of all items.
    """
    path = os.path.join(marks_folder(folder), name)
    if is_second_name(path):
        return True
    suspect = name.endswith(EXTENSION) and name_key_of(name) not in present
    return suspect and _is_orphan(folder, path)


def _is_old(path: str, now_ns: int) -> bool:
    try:
        return os.lstat(path).st_ctime_ns + _STALE_NS < now_ns
    except FileNotFoundError:
        return False


def _is_orphan(folder: str, path: str) -> bool:
    """Tell whether a mark's item is not there: asked by its name, not by a listing."""
    record = read_mark(path)
    if record is None or "/" in record.name:
        return False
    try:
        os.lstat(os.path.join(folder, record.name))
    except FileNotFoundError:
        return True
    return False
