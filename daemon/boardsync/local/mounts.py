"""Which filesystem a folder lies on, and whether the kernel tells of changes made elsewhere."""

from __future__ import annotations

import os
import re

_TABLE = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")

_REMOTE = frozenset({
    "9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fakeowner",
    "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs",
    "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip
"""Others write there too, other machines or the host of a virtual one, and inotify is blind to
them."""

_LOCAL_FUSE = frozenset({
    "fuse.bindfs", "fuse.cryfs", "fuse.encfs", "fuse.exfat", "fuse.fuse-overlayfs",
    "fuse.gocryptfs", "fuse.mergerfs", "fuse.ntfs-3g", "fuse.unionfs",
})  # fmt: skip


def mount_kind(path: bytes, table: bytes | None = None) -> str:
    """Return the filesystem type under a path, such as `ext4` or `fuse.sshfs`.

    Empty where the system does not tell. table: content of a mountinfo file, by default that
    of this process.
    """
    if table is None:
        table = _read_table()
    place = os.path.realpath(path)
    best, kind = b"", ""
    for line in table.splitlines():
        left, separator, right = line.partition(b" - ")
        fields = left.split(b" ")
        if not separator or len(fields) < 5:
            continue
        point = _ESCAPE.sub(_unescaped, fields[4])
        # A later mount on the same point hides the earlier one.
        if len(point) >= len(best) and _is_at_or_below(place, point):
            best, kind = point, os.fsdecode(right.split(b" ")[0])
    return kind


def is_remote(kind: str) -> bool:
    """Tell whether changes on such a filesystem can come about without the kernel's notice."""
    return kind in _REMOTE or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def _read_table() -> bytes:
    try:
        with open(_TABLE, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 8),))


def _is_at_or_below(path: bytes, point: bytes) -> bool:
    return path == point or path.startswith(point.rstrip(b"/") + b"/")
