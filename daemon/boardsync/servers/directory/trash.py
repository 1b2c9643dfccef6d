"""The trash of a directory server: one folder for each removal, named by its key.

ROOT/.boardsync/trash/<key>/name.png             the picture
ROOT/.boardsync/trash/<key>/.boardsync/...json   its mark, as beside any item
ROOT/.boardsync/trash/<key>/.boardsync/origin    where it came from, written first

So the same key finds the same picture after any kill, and a key without a picture is nothing:
a removal that was not carried out, or something that was put back.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from boardsync.errors import FileChanging
from boardsync.files.durable import TEMP_PREFIX, fsync_directory, remove_if_there
from boardsync.servers.directory.folders import make_folder
from boardsync.servers.directory.marks import (
    EXTENSION,
    make_marks_folder,
    marks_folder,
    token_key,
)
from boardsync.servers.directory.origins import (
    TRASH,
    Origin,
    TrashedId,
    is_key,
    origin_path,
    parse_id,
    read_origin,
    require_key,
    write_origin,
)
from boardsync.servers.directory.recall import FolderCache, beginning_with, mark_names
from boardsync.servers.directory.renames import is_second_name
from boardsync.servers.directory.sweep import sweep_temporaries
from boardsync.servers.directory.tree import Place, is_folder, regular_stat

_STALE_NS = 86_400_000_000_000
_TEMPORARY = os.fsdecode(TEMP_PREFIX)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in the trash. place: the picture, under its id in the trash."""

    key: str
    origin: Origin
    place: Place


class Trash:
    """What lies in the trash below one root. Nothing is made before something goes there.

    can_swap: whether its filesystem can let two files swap their names, as far as is known.
    """

    def __init__(self, root: str, clock_ns: Callable[[], int]) -> None:
        self.folder = os.path.join(root, TRASH)
        self.can_swap = True
        self._root = root
        self._clock_ns = clock_ns
        self._keys = FolderCache(_key_names, clock_ns)
        self._marks = FolderCache(mark_names, clock_ns)
        self._swept = False

    def entry(self, key: str) -> Entry | None:
        """Find what lies under a key; None when no picture does. Raises OSError, FileChanging."""
        folder = os.path.join(self.folder, require_key(key))
        origin = read_origin(folder)
        if origin is None:
            return None
        path = os.path.join(folder, origin.name)
        stat = regular_stat(path)
        if stat is None or (origin.incoming and origin.incoming.is_at(path, stat.st_size)):
            return None
        trashed_id = str(TrashedId(key, origin.version, origin.item_id))
        return Entry(key, origin, Place(trashed_id, folder, origin.name, stat))

    def places(self, trashed_ids: Iterable[str]) -> Iterator[Place]:
        """Find what lies in the trash by its ids; what does not is left out."""
        for parsed in map(parse_id, trashed_ids):
            entry = None if parsed is None else self.entry(parsed.key)
            if entry is not None:
                yield entry.place

    def marked(self, token: str) -> Iterator[Place]:
        """Find what may carry a token, by the names of mark files alone."""
        keys = self._keys.get(self.folder) or ()
        for key in keys:
            names = self._marks.get(marks_folder(os.path.join(self.folder, key))) or ()
            if any(beginning_with(names, token_key(token))):
                entry = self.entry(key)
                if entry is not None:
                    yield entry.place
        self._marks.keep(marks_folder(os.path.join(self.folder, key)) for key in keys)

    def prepare(self, key: str, origin: Origin) -> str:
        """Make the folder where a picture may go now, with its record, and return it.

        Whatever an attempt that was killed left there is cleared first. The caller looked: no
        picture lies there. Raises FileExistsError when there is one without its record.
        """
        self._sweep_once()
        self.discard(key)
        folder = make_folder(self._root, [*TRASH.split("/"), require_key(key)])
        if os.path.lexists(os.path.join(folder, origin.name)):
            raise FileExistsError(errno.EEXIST, "a picture without its record", folder)
        make_marks_folder(folder)
        write_origin(folder, origin)
        return folder

    def settle(self, entry: Entry) -> None:
        """Note that the exchange an entry waited for is over."""
        if entry.origin.incoming is not None:
            # A try that was killed may have left its half.
            sweep_temporaries(entry.place.folder, self._clock_ns())
            write_origin(entry.place.folder, replace(entry.origin, incoming=None))

    def discard(self, key: str) -> None:
        """Clear what belongs to a key under which no picture lies."""
        folder = os.path.join(self.folder, require_key(key))
        origin = read_origin(folder)
        if self.entry(key) is not None:
            return
        if origin is not None and origin.incoming is not None:
            # What waited to be exchanged never was anybody's item.
            remove_if_there(os.path.join(folder, origin.name))
        _clear(folder)

    def remove(self, entry: Entry) -> None:
        """Delete a picture in the trash for good, and all that belongs to it."""
        remove_if_there(entry.place.path)
        fsync_directory(entry.place.folder)
        self.discard(entry.key)

    def _sweep_once(self) -> None:
        """Clear keys that have held no picture for a day: leftovers of removals cut short."""
        if self._swept:
            return
        self._swept = True
        for key in self._keys.get(self.folder) or ():
            try:
                status = os.lstat(os.path.join(self.folder, key))
                if status.st_ctime_ns + _STALE_NS < self._clock_ns() and self.entry(key) is None:
                    self.discard(key)
            except (FileNotFoundError, FileChanging):
                continue


def _clear(folder: str) -> None:
    """Remove our own files of a key, the record last, and its folders unless others are there."""
    if not is_folder(folder):
        return
    beside = marks_folder(folder)
    try:
        names = os.listdir(beside)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    for name in names:
        path = os.path.join(beside, name)
        if name.endswith(EXTENSION) or name.startswith(_TEMPORARY) or is_second_name(path):
            remove_if_there(path)
    remove_if_there(origin_path(folder))
    for emptied in (beside, folder):
        try:
            os.rmdir(emptied)
        except FileNotFoundError:
            continue
        except OSError:
            return


def _key_names(folder: str) -> tuple[str, ...]:
    return tuple(sorted(filter(is_key, os.listdir(folder))))
