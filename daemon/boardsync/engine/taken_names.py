"""Which names below a mirror's folder are free, also for filesystems that ignore case.

Two downloads at one time never get one name. What is there is listed now and then, not for each
of a hundred thousand files: whoever puts a file to a name at the same moment is met by the rename,
which never replaces.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from boardsync.engine.context import Mirror
from boardsync.engine.landing import disk_error
from boardsync.errors import FolderAway
from boardsync.plan.names import normal_key
from boardsync.state import transfers

MOST_TRIES = 10_000
STRIDE = 64
LISTINGS = 8
HINTS = 1000
FRESH_SECONDS = 5.0


@dataclass(slots=True)
class _Listing:
    """What a directory held. names: by key, with whether it is a directory."""

    mtime_ns: int
    looked: float
    names: dict[str, tuple[bytes, bool]] = field(default_factory=dict)


class TakenNames:
    """The names of one mirror that are taken. Safe to use from several threads."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._lock = threading.Lock()
        self._listings: OrderedDict[bytes, _Listing] = OrderedDict()
        self._given: OrderedDict[bytes, int] = OrderedDict()

    def first_free(
        self, base: bytes, path: Callable[[int], bytes], transfer: int
    ) -> bytes | None:  # fmt: skip
        """Return a free one of numbered names, which nobody else will be given.

        path: the name with a number, from 1 on, below the directory `base`. Folders that are there
        under a name that only some filesystems tell apart are used. transfer: whose own recorded
        name is free for it. Raises FolderAway.
        """
        with self._lock:
            first = base + path(1)
            number = self._after_the_taken(base, path, self._given.pop(first, 0) + 1)
            for _ in range(MOST_TRIES):
                found = self._in_known_folders(base, path(number))
                if self._take(found, transfer):
                    self._given[first] = number
                    if len(self._given) > HINTS:
                        self._given.popitem(last=False)
                    return found
                number += 1
            return None

    def forget_listings(self) -> None:
        """Forget what is listed, with the names that were given: those are there by now."""
        with self._lock:
            self._listings.clear()

    def _after_the_taken(self, base: bytes, path: Callable[[int], bytes], number: int) -> int:
        """Return a number from this one on whose name is free, in few steps.

        A hundred thousand taken ones without a gap are not gone through one by one.
        """

        def is_taken(one: int) -> bool:
            directory, _, name = self._in_known_folders(base, path(one)).rpartition(b"/")
            return normal_key(name) in self._listing(directory).names

        if not is_taken(number):
            return number
        low, step = number, STRIDE
        while is_taken(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_taken(middle) else (low, middle)
        return high

    def _take(self, path: bytes, transfer: int) -> bool:
        directory, _, name = path.rpartition(b"/")
        names, key = self._listing(directory).names, normal_key(name)
        if key in names:
            return False
        with self._mirror.state.read() as connection:
            if transfers.is_busy(connection, self._mirror.number, path, besides=transfer):
                return False
        names[key] = (name, False)
        return True

    def _in_known_folders(self, base: bytes, path: bytes) -> bytes:
        """Return a path with its folders written as those are that are there, or will be."""
        *folders, name = path.split(b"/")
        here = base
        for folder in folders:
            names = self._listing(here).names
            known = names.setdefault(normal_key(folder), (folder, True))
            if not known[1]:
                where = os.fsdecode(self._mirror.absolute(os.path.join(here, known[0])))
                raise FolderAway(
                    f"{where}: a file or a link, where a folder is needed for pictures of the "
                    "board; move or rename it"
                )
            here = os.path.join(here, known[0])
        return os.path.join(here, name)

    def _listing(self, directory: bytes) -> _Listing:
        """Return what is in a directory; one that is not there is empty."""
        known = self._listings.pop(directory, None)
        now, mtime_ns = self._mirror.clock.monotonic(), self._mtime_ns(directory)
        if known is None or (known.mtime_ns != mtime_ns and now - known.looked >= FRESH_SECONDS):
            known = self._looked(directory, mtime_ns, now)
        self._listings[directory] = known
        if len(self._listings) > LISTINGS:
            self._listings.popitem(last=False)
        return known

    def _mtime_ns(self, directory: bytes) -> int:
        try:
            return self._mirror.disk.stat(self._mirror.absolute(directory)).st_mtime_ns
        except OSError:
            return 0

    def _looked(self, directory: bytes, mtime_ns: int, now: float) -> _Listing:
        listing, path = _Listing(mtime_ns, now), self._mirror.absolute(directory)
        try:
            with self._mirror.disk.scandir(path) as entries:
                for entry in entries:
                    folder = entry.is_dir(follow_symlinks=False)
                    listing.names[normal_key(entry.name)] = (entry.name, folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise disk_error(error, path) from error
        return listing
