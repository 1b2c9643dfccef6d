"""Removes the litter of interrupted downloads: at every start, and wherever a walk meets it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence

import structlog

from boardsync.engine.context import Mirror
from boardsync.files.disk import files_below
from boardsync.files.durable import TEMP_PREFIX, remove_if_there
from boardsync.model import Item
from boardsync.state import transfers

log = structlog.get_logger(__name__)


def temporary_name(mirror: Mirror, item: Item) -> bytes:
    """Return the same name for the same item, so that a kill leaves at most one file behind."""
    return _own_prefix(mirror) + _hashed(f"{mirror.key}\0{item.item_id}", 16)


async def sweep(mirror: Mirror) -> int:
    """Remove a mirror's temporary files that no transfer owns from where pulled files go.

    A walk does not come to all of these places: rules may leave them alone. Nor does the state
    know all of their boards, once it was lost. Returns how many there were.
    """
    if mirror.layout.pull_into is None:
        return 0
    prefix = _own_prefix(mirror)

    def found() -> list[bytes]:
        return [
            os.path.relpath(path, mirror.root)
            for directory in _pull_directories(mirror)
            for path in files_below(mirror.disk, mirror.absolute(directory))
            if os.path.basename(path).startswith(prefix)
        ]

    return await _tried(mirror, lambda: _remove(mirror, found()))


def _pull_directories(mirror: Mirror) -> list[bytes]:
    """Return where files of any subfolder's board go. Raises OSError."""
    layout, subfolders = mirror.layout, [b""]
    if layout.by_subfolder and mirror.disk.isdir(mirror.root):
        with mirror.disk.scandir(mirror.root) as entries:
            subfolders += [
                one.name for one in entries
                if one.is_dir(follow_symlinks=False) and one.name != layout.pull_into
            ]  # fmt: skip
    return [layout.pull_directory(subfolder) for subfolder in subfolders]


async def sweep_found(mirror: Mirror, temporaries: Sequence[bytes]) -> int:
    """Remove those of this mirror that no transfer owns. Returns how many.

    temporaries: that a walk met. Where people rename a directory, what was being written there
    is found nowhere else.
    """
    prefix = _own_prefix(mirror)
    own = [path for path in temporaries if os.path.basename(path).startswith(prefix)]
    return await _tried(mirror, lambda: _remove(mirror, own)) if own else 0


async def _tried(mirror: Mirror, remove: Callable[[], int]) -> int:
    try:
        return await asyncio.to_thread(remove)
    except OSError as error:
        log.warning(
            "litter of an interrupted download could not be removed",
            mirror=mirror.name, error=str(error),
        )  # fmt: skip
        return 0


def _remove(mirror: Mirror, paths: Sequence[bytes]) -> int:
    with mirror.state.read() as connection:
        kept = transfers.temporaries(connection, mirror.number)
    kept |= mirror.fetching
    return sum(
        remove_if_there(mirror.absolute(path), mirror.disk) for path in paths if path not in kept
    )


def _own_prefix(mirror: Mirror) -> bytes:
    """Tell ours from those of another mirror, which may be another daemon's."""
    return TEMP_PREFIX + _hashed(mirror.key, 8)


def _hashed(text: str, digits: int) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:digits].encode()
