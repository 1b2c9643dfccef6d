"""Asks the kernel whether anybody still has a file open for writing.

Where two programs write one file, or one writes its end first, neither a pause nor the bytes tell
that it is not finished: a WebP, BMP, TIFF or JPEG with a gap in its middle can pass for whole.
"""

from __future__ import annotations

import errno
import fcntl
import signal
import sys


def is_written(fd: int) -> bool:
    """Tell whether somebody has an open file open for writing.

    False where that cannot be told: a file of another user, a network's filesystem, another
    system than Linux.
    """
    if sys.platform != "linux":
        return False
    try:
        # Whoever opens the file while the lease is held waits until it is given back, which is at
        # once; only who asked not to wait is told to try again. The signal that tells of it is one
        # that does nothing: the usual one would end us.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False
