"""One daemon per state file: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from boardsync.errors import StateLocked
from boardsync.state.trouble import opening


class StateLock:
    """An exclusive `flock` beside the state file. The kernel releases it, whatever happens."""

    def __init__(self, state: Path) -> None:
        self.path = state.with_name(state.name + ".lock")
        self._state = state
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises StateLocked, naming the process that holds it, or NeedsPerson."""
        with opening(self._state):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read_pid(fd)
            os.close(fd)
            raise StateLocked(
                f"{self._state}: in use by another boardsync"
                f"{f' (process {holder})' if holder else ''}; stop that one first,"
                " or give this one its own `state` setting",
                pid=holder,
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> StateLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _read_pid(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else None
