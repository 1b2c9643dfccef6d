"""The names that directories themselves give their files.

Where a filesystem takes `A.png` and `a.png` for one name, a path can be found under a name that no
listing will ever show again: what is recorded under it would never be found gone.
"""

from __future__ import annotations

import os

from boardsync.files.disk import SYSTEM, Disk


class Listed:
    """Compares paths with listings, each directory of which is listed at most once.

    Good for one look at a folder: what changes afterwards is not seen.
    """

    def __init__(self, root: bytes, disk: Disk = SYSTEM) -> None:
        self._root = root
        self._disk = disk
        self._spelled: dict[bytes, dict[bytes, bytes] | None] = {}

    def holds(self, path: bytes) -> bool:
        """Tell whether something is at a path below the root, under this very name."""
        there = self._disk.lexists(os.path.join(self._root, path))
        return there and self.path(path) == path

    def path(self, path: bytes) -> bytes:
        """Return a path below the root as the directories on the way to it list its names."""
        directory, parts = self._root, []
        for name in path.split(b"/") if path else ():
            parts.append(self._name(directory, name))
            directory = os.path.join(directory, parts[-1])
        return b"/".join(parts)

    def _name(self, directory: bytes, name: bytes) -> bytes:
        if directory not in self._spelled:
            folds = self._folds(directory, name)
            if folds is None:
                return name
            self._spelled[directory] = self._names(directory) if folds else None
        spelled = self._spelled[directory]
        if spelled is None:
            return name
        return spelled.get(_folded(name), name)

    def _folds(self, directory: bytes, name: bytes) -> bool | None:
        """Tell whether a directory ignores case, or None where this name cannot tell."""
        other = name.swapcase()
        if other == name:
            return None
        try:
            found = self._disk.lstat(os.path.join(directory, name))
        except OSError:
            return None
        try:
            return os.path.samestat(found, self._disk.lstat(os.path.join(directory, other)))
        except OSError:
            return False

    def _names(self, directory: bytes) -> dict[bytes, bytes] | None:
        try:
            with self._disk.scandir(directory) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            return None
        spelled = {_folded(name): name for name in names}
        # Both spellings are listed: they are links to one file, and case is not ignored.
        return spelled if len(spelled) == len(names) else None


def _folded(name: bytes) -> bytes:
    try:
        return name.decode().casefold().encode()
    except UnicodeDecodeError:
        return name.lower()
