"""What a look at a folder saw besides its files, and where it proves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from boardsync.local.ignore import Reason
from boardsync.local.root import RootIdentity

_LISTED = 1000
_PLACES = 100_000


@dataclass(slots=True)
class ScanReport:
    """Filled while a scan goes on; it proves no absence before `finished`.

    ignored: entries left alone, by reason; a directory counts once and is not looked into.
    unreadable: paths that could not be looked at, and why. symlinks: not followed. (Of these
    two only the first thousand are listed.) mounts: directories on another device than the one
    above; one that was there the last time and is missing here is an unmounted disk, not a
    deletion. walked: directories that `scan_paths` went through to the bottom. temporaries:
    files of boardsync itself that are being written, or were when it ended.
    """

    root: RootIdentity | None = None
    files: int = 0
    directories: int = 0
    ignored: dict[Reason, int] = field(default_factory=dict)
    unreadable: list[tuple[bytes, str]] = field(default_factory=list)
    symlinks: list[bytes] = field(default_factory=list)
    mounts: list[bytes] = field(default_factory=list)
    walked: list[bytes] = field(default_factory=list)
    temporaries: list[bytes] = field(default_factory=list)
    finished: bool = False
    _places: set[bytes] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Tell whether the scan came to its end and could read everything."""
        return self.finished and not self.unreadable

    def unproven(self, path: bytes) -> bool:
        """Tell whether a path that was not found may exist all the same."""
        if not self.finished:
            return True
        places = self._places
        if not places:
            return False
        if path in places or b"" in places:
            return True
        end = path.find(b"/")
        while end != -1:
            if path[:end] in places:
                return True
            end = path.find(b"/", end + 1)
        return False

    def ignore(self, reason: Reason) -> None:
        """Count an entry that is left alone."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1

    def symlink(self, path: bytes) -> None:
        """Note a symlink. What it stands for was perhaps only moved: nothing is proven gone."""
        self.ignore(Reason.SYMLINK)
        if len(self.symlinks) < _LISTED:
            self.symlinks.append(path)
        self._doubt(path)

    def unseen(self, path: bytes, why: str) -> None:
        """Note a path that could not be looked at: nothing at or below it is proven gone."""
        if len(self.unreadable) < _LISTED:
            self.unreadable.append((path, why))
        self._doubt(path)

    def _doubt(self, path: bytes) -> None:
        """Remember where nothing is proven; when that grows too long, nothing is anywhere."""
        if len(self._places) < _PLACES:
            self._places.add(path)
        else:
            self._places = {b""}
