"""More changes than the kernel's queue holds, made where nobody can read it meanwhile."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path


def overflow_the_queue(directory: Path, unseen: Mapping[Path, Path] | None = None) -> None:
    """Change more than the queue holds, while nobody can read it.

    A call through PyDLL keeps the interpreter's lock, and with a long switch interval no other
    thread gets it between two calls.

    unseen: files that are renamed, from and to, once the queue is full.
    """
    libc = ctypes.PyDLL(None)
    path = os.fsencode(directory / "burst.png")
    moves = [(os.fsencode(a), os.fsencode(b)) for a, b in (unseen or {}).items()]
    with open("/proc/sys/fs/inotify/max_queued_events") as stream:
        rounds = int(stream.read()) // 3 + 100
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        for _ in range(rounds):
            libc.close(libc.creat(path, 0o600))
            libc.unlink(path)
        for source, target in moves:
            libc.rename(source, target)
    finally:
        sys.setswitchinterval(interval)
