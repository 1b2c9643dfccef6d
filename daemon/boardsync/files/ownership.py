"""Whose a file is and who may do what with it: given while it has no name yet that others know."""

from __future__ import annotations

import os
from dataclasses import dataclass

from boardsync.files.disk import SYSTEM, Disk

KEEP = -1
"""As a user or a group: leave it."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What new files and directories are given. None: nothing is changed."""

    user: int | None = None
    group: int | None = None
    file_mode: int | None = None
    directory_mode: int | None = None

    @property
    def first_mode(self) -> int:
        """The mode to make a file with: what is to be closed to others is never open to them."""
        return 0o666 if self.file_mode is None else 0o600

    def give_file(self, fd: int, disk: Disk = SYSTEM) -> None:
        """Give an open file its owner and its mode. Raises OSError."""
        self._give(fd, self.file_mode, disk)

    def give_directory(self, path: bytes, disk: Disk = SYSTEM) -> None:
        """Give a directory that was just made its owner and its mode. Raises OSError."""
        if (self.user, self.group, self.directory_mode) == (None, None, None):
            return
        # By descriptor: where others may write, a symlink can take its place by now.
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = disk.open(path, flags)
        try:
            self._give(fd, self.directory_mode, disk)
        finally:
            disk.close(fd)

    def _give(self, fd: int, mode: int | None, disk: Disk) -> None:
        try:
            if self.user is not None or self.group is not None:
                user, group = (KEEP if one is None else one for one in (self.user, self.group))
                disk.chown(fd, user, group)
            if mode is not None:  # last: a new owner takes bits away
                disk.chmod(fd, mode)
        except OSError as error:
            words = f"it cannot be given its owner, group or permissions: {error.strerror}"
            raise OSError(error.errno, words) from error
