"""An item's version: what tells, without reading it, that its bytes may have changed.

Size, modification time and inode. A copy to another disk gets new inodes, so it gets new
versions, and marks are then confirmed by digest. Some filesystems make inode numbers up as
they go; there the number would change while nothing happens, so it is left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

_MADE_UP = frozenset(
    {"vfat", "msdos", "exfat", "cifs", "smb3", "smbfs", "vboxsf", "fuse", "fuseblk"}
)
_MOUNTS = "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class Versions:
    """Makes versions. `without_inodes`: device numbers whose inode numbers do not last."""

    without_inodes: frozenset[int] = frozenset()

    def of(self, stat: os.stat_result) -> str:
        """Return the version of an item from what `stat` said of it."""
        inode = 0 if stat.st_dev in self.without_inodes else stat.st_ino
        return f"{stat.st_size}-{stat.st_mtime_ns}-{inode}"


def versions_now() -> Versions:
    """Look at the mounts of this moment: a disk may have been changed for another.

    Where the mounts cannot be read, inode numbers are believed: at worst bytes are compared
    more often than needed.
    """
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
            return Versions(devices_without_inodes(mounts.read()))
    except OSError:
        return Versions()


def devices_without_inodes(mountinfo: str) -> frozenset[int]:
    """Pick the devices whose filesystems make inode numbers up. The format: proc(5)."""
    found = set()
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        kind = after.split(" ", 1)[0]
        if separator and (kind in _MADE_UP or kind.startswith("fuse.")):
            major, _, minor = before.split(" ")[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
