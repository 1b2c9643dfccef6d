"""Stands back for other programs of the machine: processor and disk serve them first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Callable
from pathlib import Path

import structlog

from boardsync.config.model import Settings
from boardsync.config.process import DiskPriority, ProcessSettings, write_disk_priority
from boardsync.engine.changes import Change

log = structlog.get_logger(__name__)

_SET_DISK_PRIORITY = {
    "x86_64": 251, "aarch64": 30, "riscv64": 30, "armv7l": 314, "armv6l": 314, "i686": 289,
    "i386": 289, "ppc64le": 273, "s390x": 282,
}  # fmt: skip
"""The system call's number by machine: the C library has no function for it."""
_PROCESS = 1
_BEST_EFFORT, _IDLE = 2, 3
_CLASS_SHIFT = 13


_AS_STARTED = "as it was started"
"""What null stands for in the settings."""


class Niceness:
    """The priorities of this process: what it was started with, and what was asked for since."""

    def __init__(self, machine: str | None = None) -> None:
        """Machine: what kind it is, as the kernel calls it."""
        self._call = _SET_DISK_PRIORITY.get(machine or platform.machine())
        self._began = (os.getpriority(os.PRIO_PROCESS, 0), _disk_priority_now(self._call))
        self._asked = ProcessSettings()
        self._refused: set[str] = set()

    def stand_back(self, settings: ProcessSettings) -> list[str]:
        """Give every thread there is these priorities; those that they start inherit them.

        Returns in words what is refused, which is no failure: pictures are mirrored all the same.
        What somebody else has set meanwhile stays unless the settings change.
        """
        before, self._asked = self._asked, settings
        told = dict[str, str | None]()
        if settings.nice != before.nice or "nice" in self._refused:
            told["nice"] = self._set_nice(settings.nice)
        if settings.io != before.io or "io" in self._refused:
            told["io"] = self._set_io(settings.io)
        self._refused = {part for part, words in told.items() if words is not None}
        return [words for words in told.values() if words is not None]

    async def follow(self, settings: Settings) -> Change | None:
        """Prepare the priorities of other settings, or another try of those that were refused."""
        if settings.process == self._asked and not self._refused:
            return None
        return Change("process", lambda: self.stand_back(settings.process))

    def _set_nice(self, asked: int | None) -> str | None:
        nice = self._began[0] if asked is None else asked
        try:
            _each_thread(lambda one: os.setpriority(os.PRIO_PROCESS, one, nice))
        except OSError as error:
            now = os.getpriority(os.PRIO_PROCESS, 0)
            wanted = _AS_STARTED if asked is None else str(asked)
            return (
                f"process.nice: the processor's priority stays at {now}, and not {wanted}:"
                f" {error.strerror}. Without CAP_SYS_NICE a process may only stand back further;"
                " the next start of the service brings it"
            )
        return None

    def _set_io(self, asked: DiskPriority | None) -> str | None:
        value = self._began[1] if asked is None else _value_of(asked)
        if value is None:
            return None  # it was never set
        try:
            _each_thread(lambda one: _set_disk_priority(self._call, one, value))
        except OSError as error:
            wanted = _AS_STARTED if asked is None else write_disk_priority(asked)
            return (
                f"process.io: the disk's priority stays as it is, and not {wanted}:"
                f" {error.strerror}; the next start of the service brings it, where it can be set"
            )
        return None


def stand_back(settings: ProcessSettings, machine: str | None = None) -> Niceness:
    """Begin with the priorities of the settings. What is refused is logged once."""
    made = Niceness(machine)
    for words in made.stand_back(settings):
        log.warning("a setting is not in force", reason=words)
    return made


def _each_thread(work: Callable[[int], object]) -> None:
    for thread in _threads():
        with contextlib.suppress(ProcessLookupError):
            work(thread)


def _threads() -> list[int]:
    """Return our threads: on Linux each has a priority of its own."""
    try:
        return [int(one.name) for one in Path("/proc/self/task").iterdir()]
    except FileNotFoundError:
        return [0]


def _value_of(priority: DiskPriority) -> int:
    """Return a priority as the kernel writes it."""
    if priority.level is None:
        return _IDLE << _CLASS_SHIFT
    return _BEST_EFFORT << _CLASS_SHIFT | priority.level


def _set_disk_priority(number: int | None, thread: int, value: int) -> None:
    if number is None or platform.system() != "Linux":
        raise OSError(0, "it is not known how to set it on this machine")
    _call_kernel(number, thread, value)


def _disk_priority_now(number: int | None) -> int | None:
    """Return the priority of this thread as the kernel writes it; None where nobody knows."""
    if number is None or platform.system() != "Linux":
        return None
    with contextlib.suppress(OSError):
        return _call_kernel(number + 1, 0)  # everywhere, asking comes after setting
    return None


def _call_kernel(number: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    answer = int(libc.syscall(ctypes.c_long(number), _PROCESS, *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
