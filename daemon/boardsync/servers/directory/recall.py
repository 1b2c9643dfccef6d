"""Recalling marks: whose item is this, and where does this token lie?

What folders hold is remembered, and read again only when a folder's modification time moves,
so that a look-up in a hundred thousand items costs a `stat` per folder. Nothing here is
truth: the mark files are read, and held against the item, at every question.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from boardsync.model import Mark
from boardsync.servers.directory.marks import (
    EXTENSION,
    MarkRecord,
    marks_folder,
    name_key,
    name_key_of,
    read_mark,
    token_key,
)
from boardsync.servers.directory.tree import Place, Scandir, places, subfolders
from boardsync.servers.directory.versions import Versions

T = TypeVar("T")

_GRAIN_NS = 2_500_000_000
"""Coarsest clock of a filesystem (FAT: 2 s). A folder changed more recently is read again,
since a second change within one tick would not show."""


class FolderCache(Generic[T]):
    """Remembers what was read from folders. `read` gives it; `clock_ns` is the wall clock."""

    def __init__(self, read: Callable[[str], T], clock_ns: Callable[[], int]) -> None:
        self._read = read
        self._clock_ns = clock_ns
        self._held: dict[str, tuple[tuple[int, int, int], T]] = {}

    def get(self, folder: str) -> T | None:
        """Return what `folder` holds now; None when no folder is there. Raises OSError.

        Links are followed: the server's own path may be one, and what it leads to changes.
        """
        try:
            status = os.stat(folder)
        except (FileNotFoundError, NotADirectoryError):
            status = None
        if status is None or not stat.S_ISDIR(status.st_mode):
            self._held.pop(folder, None)
            return None
        seen = (status.st_dev, status.st_ino, status.st_mtime_ns)
        held = self._held.get(folder)
        if held is not None and held[0] == seen:
            return held[1]
        asked_ns = self._clock_ns()
        try:
            value = self._read(folder)
        except FileNotFoundError:
            return None
        if status.st_mtime_ns + _GRAIN_NS < asked_ns:
            self._held[folder] = (seen, value)
        return value

    def keep(self, folders: Iterable[str]) -> None:
        """Forget all folders but these."""
        kept = set(folders)
        for folder in [folder for folder in self._held if folder not in kept]:
            self._held.pop(folder, None)


class Recall:
    """Answers from the marks below one server's root."""

    def __init__(self, root: str, scandir: Scandir, clock_ns: Callable[[], int]) -> None:
        self._root = root
        self._folders = FolderCache(lambda folder: subfolders(folder, scandir), clock_ns)
        self._names = FolderCache(mark_names, clock_ns)

    def records(
        self, found: Iterable[Place], versions: Versions
    ) -> Iterator[tuple[Place, MarkRecord | None]]:
        """Tell what each item's mark says, or None. Items of one folder go together."""
        by_folder: dict[str, list[Place]] = {}
        for place in found:
            by_folder.setdefault(place.folder, []).append(place)
        for folder, here in by_folder.items():
            keys = [name_key(place.name) for place in here]
            files = self._files_by_item(folder, set(keys))
            for place, key in zip(here, keys, strict=True):
                yield place, _fitting(place, files.get(key, []), versions)

    def record(self, place: Place, versions: Versions) -> MarkRecord | None:
        """Tell what the mark of one item says, or None."""
        return next(record for _, record in self.records([place], versions))

    def mark(self, place: Place, versions: Versions) -> Mark | None:
        """Tell the mark of one item, or None."""
        record = self.record(place, versions)
        return None if record is None else record.mark

    def find(self, token: str, versions: Versions) -> list[tuple[str, Place]]:
        """Find the items that carry `token`, as (board id, place), on all boards."""
        found = []
        key = token_key(token)
        for board_id, folder in self._all_folders():
            for record in self._records(folder, key):
                place = self._place(board_id, folder, record)
                if place is None:
                    continue
                mark = self.mark(place, versions)
                if mark is not None and mark.token == token:
                    found.append((board_id, place))
        return found

    def _files_by_item(self, folder: str, wanted: set[str]) -> dict[str, list[str]]:
        """Sort a folder's mark files by the item name they speak of."""
        chosen: dict[str, list[str]] = {}
        for name in self._names.get(marks_folder(folder)) or ():
            key = name_key_of(name)
            if key in wanted:
                chosen.setdefault(key, []).append(os.path.join(marks_folder(folder), name))
        return chosen

    def _records(self, folder: str, key: str) -> Iterator[MarkRecord]:
        """Read the marks in one folder whose file names begin with `key`."""
        for name in beginning_with(self._names.get(marks_folder(folder)) or (), key):
            record = read_mark(os.path.join(marks_folder(folder), name))
            if record is not None:
                yield record

    def _place(self, board_id: str, folder: str, record: MarkRecord) -> Place | None:
        """Find the item that a mark speaks of; None when it is not there."""
        below = os.path.relpath(folder, os.path.join(self._root, board_id))
        item_id = record.name if below == "." else f"{below}/{record.name}"
        return next(places(os.path.join(self._root, board_id), [item_id]), None)

    def _all_folders(self) -> Iterator[tuple[str, str]]:
        """Walk all folders that can hold items, as (board id, path)."""
        seen = [self._root]
        for board_id in self._folders.get(self._root) or ():
            pending = [os.path.join(self._root, board_id)]
            while pending:
                folder = pending.pop()
                seen.append(folder)
                yield board_id, folder
                below = self._folders.get(folder) or ()
                pending += [os.path.join(folder, name) for name in below]
        self._folders.keep(seen)
        self._names.keep(marks_folder(folder) for folder in seen)


def beginning_with(names: Sequence[str], beginning: str) -> Iterator[str]:
    """Pick the sorted names that begin so."""
    for index in range(bisect_left(names, beginning), len(names)):
        if not names[index].startswith(beginning):
            return
        yield names[index]


def mark_names(folder: str) -> tuple[str, ...]:
    """Name the mark files in a marks folder, sorted. Raises OSError."""
    return tuple(sorted(name for name in os.listdir(folder) if name.endswith(EXTENSION)))


def _fitting(place: Place, files: Iterable[str], versions: Versions) -> MarkRecord | None:
    """Choose the mark that speaks of the bytes that are there: by version, else by digest."""
    records = [record for record in map(read_mark, files) if record is not None]
    version = versions.of(place.stat)
    for record in records:
        if record.fits_version(place.name, version):
            return record
    for record in records:
        if record.fits_bytes(place.path, place.stat.st_size):
            return record
    return None
