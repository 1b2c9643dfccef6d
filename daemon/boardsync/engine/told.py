"""What became of single pictures that a person asked about: of the trash, and of an undo."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from boardsync.engine.context import Mirror
from boardsync.engine.report import show
from boardsync.errors import BoardsyncError, FileChanging, FolderAway, ServerUnreachable, TryAgain
from boardsync.local.root import open_root
from boardsync.state import places

V = TypeVar("V")
T = TypeVar("T")

AT_ONCE = 32
"""So many pictures are worked on at one time: those that wait for the disk wait for it together."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one picture. later: not done, but a repeat may do it."""

    mirror: str
    picture: str
    done: bool
    words: str
    later: bool = False


async def tell(
    mirror: Mirror, picture: bytes | str | None, work: Awaitable[str | None]
) -> Told | None:
    """Wait for what is done about one picture; what fails is told, not raised.

    work: returns in words what it did, None when there was nothing left to do.
    """
    name = show(picture) or "a picture"
    try:
        words = await work
    except BoardsyncError as error:
        mirror.gate.failed(error)
        later = isinstance(error, TryAgain) and not isinstance(error, FileChanging)
        return Told(mirror.name, name, done=False, words=str(error), later=later)
    return None if words is None else Told(mirror.name, name, done=True, words=words)


async def each(
    values: Iterable[V], work: Callable[[V], Awaitable[T | None]], at_once: int = AT_ONCE
) -> list[T]:
    """Do something about many values, some at a time; return what was told, in their order."""
    room = asyncio.Semaphore(at_once)

    async def one(value: V) -> T | None:
        async with room:
            return await work(value)

    told = await asyncio.gather(*(one(value) for value in values))
    return [each_told for each_told in told if each_told is not None]


def require_server(mirror: Mirror) -> None:
    """Raise ServerUnreachable while the server is known to be away: thousands wait for nothing."""
    if mirror.gate.wait_seconds() > 0:
        away = f"server {mirror.server.name!r} is not available"
        raise ServerUnreachable(mirror.gate.trouble or away)


def require_folder(mirror: Mirror) -> None:
    """Raise FolderAway unless the folder is there, and the one that was walked last.

    What is left of an unmounted disk is its empty mount point. Nothing is brought back into
    that, and what lies on the disk is not gone.
    """
    root = open_root(mirror.root, mirror.disk)
    with mirror.state.read() as connection:
        before = places.root_identity(connection, mirror.number)
    if before not in (None, f"{root.device}:{root.inode}"):
        raise FolderAway(
            f"{os.fsdecode(mirror.root)}: another folder than the one that was here; mount its"
            " disk, or run `boardsync once` first if that is meant"
        )
