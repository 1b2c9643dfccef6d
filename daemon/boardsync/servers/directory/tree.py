"""Looking at a board's directory: what is listed, and where an item lies.

Hidden names and symlinks do not exist here: a link could lead out of the board, or in circles.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from boardsync.errors import ServerRefused
from boardsync.formats import is_supported_file
from boardsync.servers.directory.names import is_hidden, item_parts
from boardsync.servers.directory.versions import Versions

Scandir = Callable[[str], AbstractContextManager[Iterator["os.DirEntry[str]"]]]
"""`os.scandir`, or what a test puts in its place."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk over a board saw: (item id, version), sorted."""

    items: list[tuple[str, str]]
    complete: bool


def walk(board: str, versions: Versions, scandir: Scandir) -> Found:
    """List a board's items, at any depth.

    What cannot be read, or vanishes midway, makes the answer incomplete. Raises OSError when
    the board's own directory cannot be read at all.
    """
    items: list[tuple[str, str]] = []
    complete = True
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with scandir(os.path.join(board, prefix)) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{prefix}{entry.name}/")
                    elif is_supported_file(entry.name) and entry.is_file(follow_symlinks=False):
                        version = versions.of(entry.stat(follow_symlinks=False))
                        items.append((prefix + entry.name, version))
        except OSError:
            if not prefix:
                raise
            complete = False
    items.sort()
    return Found(items, complete)


def subfolders(folder: str, scandir: Scandir = os.scandir) -> tuple[str, ...]:
    """Name the directories in `folder` that can be boards or hold items, sorted."""
    with scandir(folder) as entries:
        return tuple(
            sorted(
                entry.name
                for entry in entries
                if not is_hidden(entry.name) and entry.is_dir(follow_symlinks=False)
            )
        )


def is_folder(path: str) -> bool:
    """Tell whether a directory, not a symlink to one, is there. Raises OSError otherwise."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def refuse_obstacle(path: str) -> None:
    """Refuse a picture when something else is where its directory goes, a link too.

    Raises ServerRefused. What was there and is gone again is no obstacle.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise ServerRefused(
            f"{path} is there and is no directory, as the picture needs it; move it away, "
            "then `boardsync again` sends the picture"
        )


def regular_stat(path: str) -> os.stat_result | None:
    """Return what `stat` says of a regular file; None when there is none."""
    try:
        result = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return result if stat.S_ISREG(result.st_mode) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item lies: its id, its directory, its name there, and what `stat` said."""

    item_id: str
    folder: str
    name: str
    stat: os.stat_result

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.name)


def places(board: str, item_ids: Iterable[str]) -> Iterator[Place]:
    """Find items of a board by id; those that are not there are left out."""
    real: dict[str, bool] = {board: True}
    for item_id in item_ids:
        parts = item_parts(item_id)
        if parts is None:
            continue
        folder = board
        for part in parts[:-1]:
            folder = os.path.join(folder, part)
            if folder not in real:
                real[folder] = is_folder(folder)
            if not real[folder]:
                break
        else:
            result = regular_stat(os.path.join(folder, parts[-1]))
            if result is not None:
                yield Place(item_id, folder, parts[-1], result)
