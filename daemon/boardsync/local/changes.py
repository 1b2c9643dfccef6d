"""Hears of changes below a directory, by inotify alone: for what is else looked at by the clock.

Unlike a `Watcher` it never polls, and says of nothing what it was. While it is not live, whoever
asks has to look.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import structlog

from boardsync.errors import FolderAway
from boardsync.files.disk import PathArg
from boardsync.local.hints import Hint, Outbox, Rescan
from boardsync.local.ignore import Rules
from boardsync.local.mounts import is_remote
from boardsync.local.native import LimitReached, NativeWatch
from boardsync.local.root import RootIdentity, open_root
from boardsync.local.watch import SYSTEM, Surroundings

log = structlog.get_logger(__name__)

REST = 60
"""So many checks no new try is made where inotify failed."""


class Changes:
    """Whether anything changes below one directory, from the first `check` to `close`.

    changed: called, from any thread, whenever something did or may have; it should only pass
    that on. Network filesystems are never live: they tell of nothing that others do.
    `check` and `close` may touch the disk for long: not for an event loop's thread.
    """

    def __init__(
        self, path: PathArg, changed: Callable[[], None], surroundings: Surroundings = SYSTEM
    ) -> None:
        self.path = os.fsencode(path)
        self._changed = changed
        self._surroundings = surroundings
        self._lock = threading.Lock()
        self._watch: NativeWatch | None = None
        self._identity: RootIdentity | None = None
        self._closed = False
        self._rest = 0

    @property
    def live(self) -> bool:
        """Whether every change since the last time it was not so was told."""
        return self._watch is not None

    def check(self) -> None:
        """Find out whether changes are still told, and watch what is there now.

        To be called every few seconds. Wherever changes may have gone by, `changed` is called.
        """
        with self._lock:
            if self._closed:
                return
            try:
                identity = open_root(self.path)
            except FolderAway:
                self._end()
                return
            if self._watch is not None and self._is_well(identity):
                return
            self._end()
            self._begin(identity)

    def close(self) -> None:
        """End all threads, for good. Idempotent."""
        with self._lock:
            self._closed = True
            self._end()

    def _is_well(self, identity: RootIdentity) -> bool:
        return (
            self._watch is not None
            and self._watch.trouble() is None
            and identity == self._identity
        )  # fmt: skip

    def _begin(self, identity: RootIdentity) -> None:
        self._rest -= 1
        root = os.path.realpath(self.path)
        if self._rest > 0 or is_remote(self._surroundings.mount_kind(root)):
            return
        rules = Rules(pull_into=None)
        try:
            watch = NativeWatch(root, rules, Outbox(self._hear, rules), attributes=True)
            watch.start()
        except (LimitReached, OSError):
            self._rest = REST
            return
        self._watch, self._identity, self._rest = watch, identity, 0
        self._changed()

    def _end(self) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        self._changed()
        try:
            watch.stop()
        except Exception:
            # As in `Watcher`: its threads have ended all the same.
            log.debug("a watch did not end cleanly", folder=self.path, exc_info=True)

    def _hear(self, hint: Hint | Rescan) -> None:
        del hint
        self._changed()
