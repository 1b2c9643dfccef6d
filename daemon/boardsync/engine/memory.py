"""Gives memory back that looking at everything took: the next such look may be long after.

What was read of a large folder, or for somebody who asked, is freed, but stays with the process:
as pages that the C library keeps, and in SQLite's caches, one for each connection.
"""

from __future__ import annotations

import asyncio
import ctypes
import os

import structlog

from boardsync.engine.assembly import Assembly
from boardsync.errors import BoardsyncError

log = structlog.get_logger(__name__)

ARENAS = 2
_ARENA_MAX = -8
"""What the C library (glibc, malloc.h) calls M_ARENA_MAX."""
SECONDS = 30.0
"""Between two looks whether there is something to give back."""
GROWN = 2_000_000
"""Bytes that are worth it."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def give_back_memory(assembly: Assembly) -> None:
    """Until cancelled, give back what was taken since the last time, once there is no work."""
    then = 0
    while True:
        await assembly.clock.sleep(SECONDS)
        if any(carrier.under_way for carrier in assembly.carriers.values()):
            continue
        # Less than then, too: in the middle of a walk much was in use that is free now.
        if abs(resident_bytes() - then) < GROWN:
            continue
        try:
            await assembly.state.rest()
            await asyncio.to_thread(trim)
        except BoardsyncError as error:
            log.debug("memory was not given back", why=str(error))
        then = resident_bytes()


def resident_bytes() -> int:
    """Return how much memory this process holds; 0 where nobody knows."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * _PAGE
    except OSError:
        return 0


def share_arenas() -> None:
    """Let all threads take their memory from a few places, before there are any threads.

    By default the C library has up to eight for each core, and each keeps what was freed in it.
    Python's threads take turns anyway.
    """
    try:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, ARENAS)
    except (AttributeError, OSError):
        return


def trim() -> bool:
    """Give free pages back to the kernel. False where the C library has no function for it."""
    try:
        libc = ctypes.CDLL(None)
        return bool(libc.malloc_trim(0))
    except (AttributeError, OSError):
        return False
