"""The server's own directory: the one we know, or the bare place where a disk is missing.

A mount point without its disk looks like an empty server. So the first use leaves a marker
file, and from then on a directory without it is away, not empty.
"""

from __future__ import annotations

import os

from boardsync.errors import ServerUnreachable
from boardsync.files.durable import fsync_directory
from boardsync.servers.directory.trouble import classified

MARKER = ".boardsync-server"

_TEXT = (
    b"boardsync keeps boards in this directory. Without this file it takes the disk for absent.\n"
)


class Root:
    """The path from the settings, and whether its marker has to be there.

    used_before: the caller remembers boards of this server, so a missing marker is a missing
    disk even for a process that never saw it.
    """

    def __init__(self, server: str, path: str, *, used_before: bool) -> None:
        self.path = path
        self._server = server
        self._marked = used_before

    def require(self, *, claim: bool = False) -> None:
        """Return when the known directory is there. Raises ServerUnreachable or NotAuthorised.

        claim: something is about to be put there, so from now on the marker has to be there.
        Whoever only looks leaves none: it could be a bare mount point.
        """
        with classified(f"server {self._server}: looking for {self.path}"):
            if self._has_marker():
                self._marked = True
            elif not os.path.isdir(self.path):
                raise ServerUnreachable(
                    f"server {self._server}: {self.path} is not a directory that can be seen; "
                    "mount its disk, or create it"
                )
            elif self._marked:
                raise ServerUnreachable(
                    f"server {self._server}: {self.path} lacks the file {MARKER}, so its disk "
                    "seems not to be mounted; mount it, or create that file if the boards "
                    "were moved here on purpose"
                )
            elif claim:
                self._claim()

    @property
    def writable(self) -> bool:
        """Whether boards can be made here."""
        return os.access(self.path, os.W_OK | os.X_OK)

    def _has_marker(self) -> bool:
        try:
            os.lstat(os.path.join(self.path, MARKER))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _claim(self) -> None:
        """Leave the marker at the first use. A read-only place is used without, unless empty."""
        if not self.writable:
            if not os.listdir(self.path):
                raise ServerUnreachable(
                    f"server {self._server}: {self.path} is empty and cannot be written; "
                    "is its disk mounted?"
                )
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(os.path.join(self.path, MARKER), flags, 0o666)
        try:
            os.write(fd, _TEXT)
            os.fsync(fd)
        finally:
            os.close(fd)
        fsync_directory(self.path)
        self._marked = True
