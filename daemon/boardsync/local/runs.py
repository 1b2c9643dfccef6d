"""Walks a whole folder as a scan does, for who looks at many files at once.

Files come as plain tuples in lists: that costs half of what one object for each of them does.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from boardsync.files.disk import SYSTEM, Disk
from boardsync.local.ignore import Rules
from boardsync.local.report import ScanReport
from boardsync.local.root import in_words, open_root
from boardsync.local.scan import SLASH, base_of, enter, finish

Seen = tuple[bytes, int, int, int, int]
"""A picture's path, size, mtime_ns, ctime_ns and inode, as the disk tells them."""

_RUN = 500
"""Files in a list at most: of a million only so many are in memory."""


def runs(
    root: bytes, rules: Rules, report: ScanReport, disk: Disk = SYSTEM
) -> Iterator[list[Seen]]:
    """Walk the whole folder and yield its pictures, in byte order of their paths.

    A list holds files of one directory. Raises FolderAway, and proves what is gone, as `scan` does.
    """
    report.root = open_root(root, disk)
    base = base_of(root)
    stack = [enter(base, b"", report.root.device, rules, report, disk)]
    while stack:
        prefix, names, device = stack[-1]
        names_here: list[bytes] = []
        below: bytes | None = None
        for name in names:
            if name[-1] == SLASH:
                below = prefix + name
                break
            names_here.append(name)
            if len(names_here) == _RUN:
                break
        if names_here:
            yield _look(base, prefix, names_here, report, disk)
        if below is not None:
            stack.append(enter(base, below, device, rules, report, disk))
        elif len(names_here) < _RUN:
            stack.pop()
    finish(root, report, disk)


def _look(
    base: bytes, prefix: bytes, names: list[bytes], report: ScanReport, disk: Disk
) -> list[Seen]:
    """Stat files that were there a moment ago; of those that are not any more nothing is proven."""
    seen: list[Seen] = []
    lstat, regular, directory = disk.lstat, stat.S_ISREG, base + prefix
    for name in names:
        try:
            told = lstat(directory + name)
        except OSError as error:
            report.unseen(prefix + name, in_words(error))
            continue
        if not regular(told.st_mode):
            report.unseen(prefix + name, "became something else during the scan")
            continue
        seen.append(
            (prefix + name, told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)
        )  # fmt: skip
    report.files += len(seen)
    return seen
