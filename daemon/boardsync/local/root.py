"""The watched folder itself: is it there, and is it still the same one?"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from boardsync.errors import FolderAway, SettingsError
from boardsync.files.disk import SYSTEM, Disk
from boardsync.local.ignore import IGNORE_FILE

_IGNORE_FILE_MAX = 1 << 20


class RootIdentity(NamedTuple):
    """Which directory a mirror's folder is. Another disk, or none, gives another identity.

    Device numbers of network and of some local filesystems change with every mount; the
    inode stays.
    """

    device: int
    inode: int

    @property
    def recorded(self) -> str:
        """The identity as the state keeps it."""
        return f"{self.device}:{self.inode}"


def open_root(path: bytes, disk: Disk = SYSTEM) -> RootIdentity:
    """Check that a mirror's folder is there and can be listed, and tell which one it is.

    A symlink that is given as the folder is followed. Raises FolderAway.
    """
    name = os.fsdecode(path)
    try:
        result = disk.stat(path)
        if not stat.S_ISDIR(result.st_mode):
            raise FolderAway(f"{name}: not a directory; give the mirror a folder")
        with disk.scandir(path):
            pass
    except FileNotFoundError as error:
        raise FolderAway(f"{name}: missing; mount its disk or make the folder") from error
    except OSError as error:
        raise FolderAway(
            f"{name}: cannot be listed ({in_words(error)}); let boardsync's user read it"
        ) from error
    return RootIdentity(result.st_dev, result.st_ino)


def read_ignore_file(root: bytes, disk: Disk = SYSTEM) -> bytes:
    """Return the content of the folder's `.boardsyncignore`, empty when there is none.

    Raises SettingsError when it is there and unusable: going on without it could send what
    it protects.
    """
    path = os.path.join(root, IGNORE_FILE)
    name = os.fsdecode(path)
    try:
        fd = disk.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with disk.fdopen(fd, "rb") as stream:
            if not stat.S_ISREG(disk.fstat(fd).st_mode):
                raise SettingsError(f"{name}: not a regular file; mend or remove it")
            content = stream.read(_IGNORE_FILE_MAX + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SettingsError(
            f"{name}: cannot be read ({in_words(error)}); mend or remove it"
        ) from error
    if len(content) > _IGNORE_FILE_MAX:
        raise SettingsError(f"{name}: longer than 1 MiB; shorten it")
    return content


def in_words(error: OSError) -> str:
    """Return what the system says of an error, to stand inside a sentence."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]
