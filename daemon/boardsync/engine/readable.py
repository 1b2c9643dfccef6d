"""Looks again at files that could not be opened: rights can return without a change of the file."""

from __future__ import annotations

import asyncio
import os

from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.files.snapshot import NOT_ALLOWED
from boardsync.state import observations, transfers


async def forgive_readable(mirror: Mirror) -> None:
    """Let files be hashed again that were refused for want of a right that is there by now.

    A file's own rights change its times, and are seen. A group that boardsync's user was put
    into, or a server's setting, changes nothing that could be seen.
    """
    with mirror.state.read() as connection:
        paths = observations.paths_refused_for(connection, mirror.number, NOT_ALLOWED)
    if not paths:
        return
    readable = await asyncio.to_thread(_readable, mirror, paths)

    def write(c: Connection) -> None:
        for path in readable:
            observations.forgive(c, mirror.number, path)
            transfers.forget_refusals(c, mirror.number, path, None)

    if readable:
        await mirror.state.write(write)


def _readable(mirror: Mirror, paths: list[bytes]) -> list[bytes]:
    return [path for path in paths if mirror.disk.access(mirror.absolute(path), os.R_OK)]
