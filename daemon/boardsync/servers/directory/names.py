"""Names on a directory server: which a board may have, and which paths are items.

Pure. Names are text with `surrogateescape`, as `os.fsdecode` gives them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from boardsync.errors import ServerRefused
from boardsync.formats import is_supported_file
from boardsync.plan.names import NAME_MAX, numbered

MARKS_FOLDER = ".boardsync"
"""Beside the items: their marks, and uploads under way."""

MOST_NUMBERS = 10_000

_OF_THE_SYSTEM = frozenset(
    {"lost+found", "System Volume Information", "$RECYCLE.BIN", "#recycle", "#snapshot", "@eaDir"}
)


def is_hidden(name: str) -> bool:
    """Tell whether a name is nobody's picture or board: hidden, or of the disk itself."""
    return name.startswith(".") or name in _OF_THE_SYSTEM


def require_board_name(name: str) -> str:
    """Return a name that can be a board's directory, unchanged. Raises ServerRefused."""
    fault = _fault(name)
    if fault is not None:
        raise ServerRefused(f"board {name!r}: {fault}; choose another name")
    return name


def is_board_name(name: str) -> bool:
    """Tell whether a directory of this name is a board."""
    return _fault(name) is None


def require_item_name(name: str) -> list[str]:
    """Split the name of an upload into its parts. Raises ServerRefused."""
    parts = name.split("/")
    for part in parts:
        fault = _fault(part)
        if fault is not None:
            raise ServerRefused(f"picture {name!r}: {fault}; rename the file")
    if not is_supported_file(parts[-1]):
        raise ServerRefused(f"picture {name!r}: its extension is none of a supported format")
    return parts


def item_parts(item_id: str) -> list[str] | None:
    """Split an item's id into its parts; None when nothing of that name can be an item."""
    parts = item_id.split("/")
    if any(_fault(part) is not None for part in parts) or not is_supported_file(parts[-1]):
        return None
    return parts


def candidates(name: str) -> Iterator[str]:
    """Give a name and its numbered variants, in the order in which they are tried."""
    yield name
    for number in range(2, MOST_NUMBERS):
        yield numbered(name, number)


def _fault(part: str) -> str | None:
    """Say why a name cannot stand in a directory, or None."""
    if not part:
        return "the name is empty"
    if is_hidden(part):
        return "the name is hidden, or belongs to the disk"
    if "/" in part or "\0" in part:
        return "a name holds no slash and no zero byte"
    try:
        length = len(os.fsencode(part))
    except UnicodeEncodeError:
        return "the name cannot be written as bytes"
    return f"the name is longer than {NAME_MAX} bytes" if length > NAME_MAX else None
