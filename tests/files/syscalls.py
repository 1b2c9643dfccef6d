"""A kernel that refuses some calls, as poorer filesystems do. For processes of their own.

Installs a seccomp filter, which cannot be taken away again, so never in the tests' process.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

_NUMBERS = {
    "x86_64": {"renameat2": 316, "linkat": 265, "link": 86, "fsync": 74},
    "aarch64": {"renameat2": 276, "linkat": 37, "fsync": 82},
}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def refuse(name: str, code: int) -> None:
    """Let a system call fail with an errno from now on, in this process."""
    number = _NUMBERS[platform.machine()].get(name)
    if number is None:
        return
    steps = [
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO | code),
        (_RETURN, 0, 0, _ALLOW),
    ]
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _Program(len(steps), packed)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp is not available")


def run_refusing(script: str, *arguments: str) -> None:
    """Run a script, which calls `refuse`, and fail when it fails."""
    if platform.machine() not in _NUMBERS:
        pytest.skip("numbers of system calls are not known for this machine")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
