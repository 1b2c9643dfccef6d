"""The kernel's word for word on what happens in directories, within microseconds of it.

Only for aiming kills: watchdog hands events over between threads, and by then the moment
between a rename and the commit after it has passed.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path
from typing import Final, NamedTuple, Self

_HEAD: Final = struct.Struct("iIII")
_READ_BYTES: Final = 1 << 16


class Happening(IntFlag):
    """What can be watched for; the values are the kernel's."""

    WRITTEN = 0x2
    MOVED_IN = 0x80
    MADE = 0x100


class Event(NamedTuple):
    """Something that happened in a watched directory."""

    what: Happening
    name: str


class Inotify:
    """Watches directories, not what is below them, until the block ends."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def watch(self, folders: Iterable[Path], what: Happening) -> None:
        """Watch for something in directories. Raises OSError."""
        for folder in folders:
            self._checked(self._library.inotify_add_watch(self._fd, os.fsencode(folder), int(what)))

    def wait(self, seconds: float) -> list[Event]:
        """Return what has happened, as soon as something has; nothing when the time is over."""
        if not self._poll.poll(max(0, int(seconds * 1000))):
            return []
        return list(_events(os.read(self._fd, _READ_BYTES)))

    def _checked(self, result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


def _events(data: bytes) -> Iterable[Event]:
    place = 0
    while place < len(data):
        _, mask, _, length = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        name = os.fsdecode(data[place : place + length].rstrip(b"\0"))
        place += length
        yield Event(Happening(mask & 0x182), name)
