"""A thread for work that nobody waits for: it gives way to everything else."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

LOWEST_PRIORITY = 19


def patient_thread(name: str) -> ThreadPoolExecutor:
    """Return one thread of the lowest priority; it ends with its work."""
    return ThreadPoolExecutor(1, name, initializer=_stand_back)


def _stand_back() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
