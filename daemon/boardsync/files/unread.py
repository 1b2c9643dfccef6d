"""Reading what is on the disk, not what memory still holds of it."""

from __future__ import annotations

import contextlib
import os

from boardsync.files.disk import PathArg


def drop_from_cache(path: PathArg) -> None:
    """Have the next reading of a file come from its disk, as far as the system allows it.

    Where it does not, or the file is not there, nothing happens.
    """
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)
