"""Stands back for other programs of the machine: processor and disk serve them first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from pathlib import Path

import structlog

from boardsync.config.process import DiskPriority, ProcessSettings

log = structlog.get_logger(__name__)

_SET_DISK_PRIORITY = {
    "x86_64": 251, "aarch64": 30, "riscv64": 30, "armv7l": 314, "armv6l": 314, "i686": 289,
    "i386": 289, "ppc64le": 273, "s390x": 282,
}  # fmt: skip
"""The system call's number by machine: the C library has no function for it."""
_PROCESS = 1
_BEST_EFFORT, _IDLE = 2, 3
_CLASS_SHIFT = 13


def stand_back(settings: ProcessSettings, machine: str | None = None) -> None:
    """Lower the priority of every thread there is; those that they start inherit it.

    machine: what kind it is, as the kernel calls it. What is refused is told once and is no
    failure: pictures are mirrored all the same.
    """
    number = _SET_DISK_PRIORITY.get(machine or platform.machine())
    try:
        for thread in _threads():
            if settings.nice is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread, settings.nice)
    except OSError as error:
        log.warning("the processor's priority stays as it is", reason=error.strerror)
    try:
        for thread in _threads():
            if settings.io is not None:
                with contextlib.suppress(ProcessLookupError):
                    _set_disk_priority(number, thread, settings.io)
    except OSError as error:
        log.warning("the disk's priority stays as it is", reason=error.strerror)


def _threads() -> list[int]:
    """Return our threads: on Linux each has a priority of its own."""
    try:
        return [int(one.name) for one in Path("/proc/self/task").iterdir()]
    except FileNotFoundError:
        return [0]


def _set_disk_priority(number: int | None, thread: int, priority: DiskPriority) -> None:
    if number is None or platform.system() != "Linux":
        raise OSError(0, "it is not known how to set it on this machine")
    if priority.level is None:
        value = _IDLE << _CLASS_SHIFT
    else:
        value = _BEST_EFFORT << _CLASS_SHIFT | priority.level
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), _PROCESS, thread, value) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
