"""Helpers for tests with real threads: a receiver of hints, and waiting with an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from boardsync.local.hints import Hint, Rescan
from boardsync.local.watch import Watcher

Make = Callable[..., Watcher]
"""Makes and starts a watcher: `make(root, **options)`."""

PATIENCE = 10.0
"""Seconds until a condition that does not come true fails a test."""


class Inbox:
    """Receives hints from any thread, and lets a test wait for what it expects."""

    def __init__(self) -> None:
        self._messages: list[Hint | Rescan] = []
        self._changed = threading.Condition(threading.RLock())

    def receive(self, message: Hint | Rescan) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    @property
    def hints(self) -> list[Hint]:
        with self._changed:
            return [message for message in self._messages if isinstance(message, Hint)]

    @property
    def paths(self) -> set[bytes]:
        return {hint.path for hint in self.hints}

    @property
    def closed(self) -> set[bytes]:
        return {hint.path for hint in self.hints if hint.closed}

    @property
    def reasons(self) -> list[str]:
        with self._changed:
            return [message.reason for message in self._messages if isinstance(message, Rescan)]

    def clear(self) -> None:
        with self._changed:
            self._messages.clear()

    def wait_for_path(self, path: bytes) -> None:
        self._wait(lambda: path in self.paths, f"no hint at {path!r}")

    def wait_for_closed(self, path: bytes) -> None:
        self._wait(lambda: path in self.closed, f"no closed hint at {path!r}")

    def wait_for_rescan(self) -> None:
        self._wait(lambda: bool(self.reasons), "no rescan")

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        with self._changed:
            came = self._changed.wait_for(condition, PATIENCE)
            assert came, f"{complaint} among {self._messages[-20:]}"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that gives no sign when it happens."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
