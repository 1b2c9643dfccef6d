"""Where things lie below a mirror's folder: which board a path belongs to, where pulls go.

Paths are bytes relative to the folder, with `/` between the parts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of one mirror. pull_into: the directory for pulled files, None without pulls."""

    by_subfolder: bool = False
    pull_into: bytes | None = b"outputs"

    def subfolder_of(self, path: bytes) -> bytes:
        """Return the first-level subfolder whose board a path belongs to; b"" for the root's."""
        if not self.by_subfolder or b"/" not in path or self._below_into(path):
            return b""
        return path.split(b"/", 1)[0]

    def is_pulled_area(self, path: bytes) -> bool:
        """Tell whether a path lies where pulled files go: observed, never pushed."""
        if self._below_into(path):
            return True
        rest = path[len(self.subfolder_of(path)) + 1 :] if self.subfolder_of(path) else path
        return self._below_into(rest)

    def pull_directory(self, subfolder: bytes) -> bytes:
        """Return the directory for files that are pulled from a subfolder's board."""
        if self.pull_into is None:
            raise ValueError("this mirror does not pull")
        return subfolder + b"/" + self.pull_into if subfolder else self.pull_into

    def moved(self, path: bytes, subfolder: bytes) -> bytes:
        """Return where a file belongs whose item went to a subfolder's board; b"" for the root's.

        What lies below its own subfolder keeps its place there, except in the root: a directory
        of the root is another board's.
        """
        own = self.subfolder_of(path)
        below = path[len(own) + 1 :] if own else path
        wanted = subfolder + b"/" + below if subfolder else below
        if self.subfolder_of(wanted) == subfolder:
            return wanted
        return below.rsplit(b"/", 1)[-1]

    def _below_into(self, path: bytes) -> bool:
        into = self.pull_into
        return into is not None and (path == into or path.startswith(into + b"/"))
