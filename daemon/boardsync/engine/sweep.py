"""Removes the litter of interrupted downloads, at every start."""

from __future__ import annotations

import asyncio
import os

import structlog

from boardsync.engine.context import Mirror
from boardsync.files.disk import files_below
from boardsync.files.durable import TEMP_PREFIX, remove_if_there
from boardsync.state import places, transfers

log = structlog.get_logger(__name__)


async def sweep(mirror: Mirror) -> int:
    """Remove temporary files of pulls that no transfer owns. Returns how many."""
    if mirror.layout.pull_into is None:
        return 0
    with mirror.state.read() as connection:
        kept = transfers.temporaries(connection, mirror.number)
        bound = places.boards(connection, mirror.number)
    directories = {mirror.layout.pull_directory(board.subfolder) for board in bound}
    try:
        return await asyncio.to_thread(_sweep, mirror, directories, kept)
    except OSError as error:
        log.warning(
            "litter of an interrupted download could not be removed",
            mirror=mirror.name, error=str(error),
        )  # fmt: skip
        return 0


def _sweep(mirror: Mirror, directories: set[bytes], kept: set[bytes]) -> int:
    removed = 0
    for directory in directories:
        for path in files_below(mirror.disk, mirror.absolute(directory)):
            relative = os.path.relpath(path, mirror.root)
            if os.path.basename(path).startswith(TEMP_PREFIX) and relative not in kept:
                removed += remove_if_there(path, mirror.disk)
    return removed
