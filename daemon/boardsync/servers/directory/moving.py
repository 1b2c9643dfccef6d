"""Moving pictures within a server's root: by rename, never over anything, their marks with them.

    mark durable at the new place -> rename that never replaces -> old mark removed

Killed before the rename, a mark without an item is left over; killed after it, the old mark is:
both are invisible, and swept when they are old. A repeat finds the picture at its new place by
its version, which a rename does not change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from boardsync.errors import ItemChanged, ItemMissing, ServerRefused
from boardsync.files.durable import remove_if_there
from boardsync.servers.directory.folders import make_folder
from boardsync.servers.directory.marks import MarkRecord, holds, mark_path, write_mark
from boardsync.servers.directory.names import candidates, require_item_name
from boardsync.servers.directory.recall import Recall
from boardsync.servers.directory.renames import move_exclusively, move_to_our_place, take_name
from boardsync.servers.directory.tree import Place, places
from boardsync.servers.directory.versions import Versions


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves pictures to places on boards. Paths are absolute; raises OSError as it comes."""

    recall: Recall
    versions: Versions

    def put(self, source: Place, board: str, name: str) -> Place:
        """Move a picture onto a board, under a name or the next free one.

        Raises ItemChanged when it changed since it was looked at, ItemMissing, ServerRefused.
        """
        parts = require_item_name(name)
        folder = make_folder(board, parts[:-1])
        record = self.recall.record(source, self.versions)
        twin = self._twin(source, board, name)
        if twin is not None:
            take_name(source.path, twin.stat)
            forget_mark(source, record)
            return twin
        for candidate in candidates(parts[-1]):
            target = os.path.join(folder, candidate)
            if target == source.path:
                return source
            if not os.path.lexists(target) and self.rename(source, target, record):
                item_id = "/".join([*parts[:-1], candidate])
                return Place(item_id, folder, candidate, os.lstat(target))
        raise ServerRefused(f"picture {name!r}: too many of this name; rename the file")

    def rename(self, source: Place, target: str, record: MarkRecord | None) -> bool:
        """Move a picture to a path, and its mark; False when somebody took that meanwhile.

        What changed since it was looked at goes back to where it was, or stays where it is now
        when its name is taken: nobody's work is lost. Then ItemChanged is raised.
        """
        mark = self._write_mark(target, record, source)
        try:
            move_exclusively(source.path, target)
        except FileExistsError:
            if record is not None and not holds(target, record.digest):
                _forget(mark)
            return False
        except FileNotFoundError as error:
            _forget(mark)
            raise _vanished(source, error) from error
        self._require_meant(source, target, mark)
        forget_mark(source, record)
        return True

    def rename_to_our_place(self, source: Place, target: str, record: MarkRecord | None) -> None:
        """Move a picture to a free path that is nobody else's. Raises as `rename` does."""
        mark = self._write_mark(target, record, source)
        try:
            move_to_our_place(source.path, target)
        except FileNotFoundError as error:
            _forget(mark)
            raise _vanished(source, error) from error
        self._require_meant(source, target, mark)
        forget_mark(source, record)

    def arrived(self, board: str, name: str, version: str) -> Place | None:
        """Find what was moved to a name, or a numbered one, before somebody was killed."""
        if not version:
            return None
        return self._among(board, name, lambda stat: self.versions.of(stat) == version)

    def _twin(self, source: Place, board: str, name: str) -> Place | None:
        """Find the second name of a file that a kill left with both its old and its new one."""
        if source.stat.st_nlink < 2:
            return None
        twin = self._among(board, name, lambda stat: os.path.samestat(stat, source.stat))
        return None if twin is None or twin.path == source.path else twin

    def _among(self, board: str, name: str, fits: Callable[[os.stat_result], bool]) -> Place | None:
        *above, wanted = require_item_name(name)
        try:
            there = set(os.listdir(os.path.join(board, *above)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        ids = ("/".join([*above, one]) for one in candidates(wanted) if one in there)
        return next((place for place in places(board, ids) if fits(place.stat)), None)

    def _write_mark(self, target: str, record: MarkRecord | None, source: Place) -> str | None:
        if record is None:
            return None
        folder, name = os.path.split(target)
        version = self.versions.of(source.stat)
        return write_mark(folder, replace(record, name=name, version=version))

    def _require_meant(self, source: Place, target: str, mark: str | None) -> None:
        """See that what was moved is what was looked at. Raises ItemChanged."""
        if self.versions.of(os.lstat(target)) == self.versions.of(source.stat):
            return
        _forget(mark)
        with suppress(FileExistsError):
            move_exclusively(target, source.path)
        raise ItemChanged(f"item {source.item_id}: changed while it was moved; look again")


def forget_mark(place: Place, record: MarkRecord | None) -> None:
    """Remove the mark that an item left where it was."""
    if record is not None:
        remove_if_there(mark_path(place.folder, place.name, record.mark.token))


def _forget(mark: str | None) -> None:
    """Remove a mark that was written in vain."""
    if mark is not None:
        remove_if_there(mark)


def _vanished(source: Place, error: OSError) -> Exception:
    """Tell a picture that is gone from a directory that is."""
    if os.path.isdir(source.folder) and not os.path.lexists(source.path):
        return ItemMissing(f"item {source.item_id}: vanished before it was moved")
    return error
