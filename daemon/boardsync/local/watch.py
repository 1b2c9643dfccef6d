"""Watches a folder and heals: live hints, and a rescan wherever hints may have been lost.

The hints come from inotify, or from polling where the kernel cannot tell of every change.
Nothing here is relied upon for correctness: that is what the scheduled scans are for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from boardsync.errors import FolderAway
from boardsync.files.disk import PathArg
from boardsync.local.hints import Hint, Loss, Outbox, Rescan
from boardsync.local.ignore import Rules
from boardsync.local.mounts import is_remote, mount_kind
from boardsync.local.native import LimitReached, NativeWatch, read_limits
from boardsync.local.poll import Poller
from boardsync.local.root import RootIdentity, in_words, open_root

__all__ = ["Hint", "Loss", "Mode", "Rescan", "Surroundings", "Watcher", "mount_kind"]

log = structlog.get_logger(__name__)

Mode = Literal["auto", "native", "polling"]

_DEATHS = 5
"""After so many deaths in a row inotify is given up for this folder."""

_HEALTHY = 100
"""So many checks without trouble make earlier deaths forgotten."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a watcher asks the system about itself, so that a test can answer instead.

    mount_kind: the filesystem type under a folder. limits: whatever changes when a person
    changes the limits of inotify.
    """

    mount_kind: Callable[[bytes], str] = mount_kind
    limits: Callable[[], tuple[str, ...]] = read_limits


SYSTEM = Surroundings()


class Watcher:
    """Watches one mirror's folder, from `start` to `stop`, whatever happens to the folder.

    root: absolute; it may be missing. hint: called from threads of the watcher; it should
    only pass the hint on. rules: what they leave alone is not watched and not hinted at; by
    default the built-in ones. A Watcher is for one set of rules: make another when they
    change. mode: `auto` polls network filesystems and uses inotify elsewhere.
    poll_interval: seconds between two looks when polling, at least.

    `start`, `check` and `stop` may touch the disk for long: not for an event loop's thread.
    """

    def __init__(
        self,
        root: PathArg,
        hint: Callable[[Hint | Rescan], None],
        *,
        rules: Rules | None = None,
        mode: Mode = "auto",
        poll_interval: float = 10.0,
        surroundings: Surroundings = SYSTEM,
    ) -> None:
        self._root = os.fsencode(root)
        self._rules = Rules(pull_into=None) if rules is None else rules
        self._outbox = Outbox(hint, self._rules)
        self._mode = mode
        self._poll_interval = poll_interval
        self._surroundings = surroundings
        self._lock = threading.Lock()
        self._running = False
        self._source: NativeWatch | Poller | None = None
        self._identity: RootIdentity | None = None
        self._limits: tuple[str, ...] | None = None
        self._deaths = 0
        self._healthy = 0
        self._counts = dict.fromkeys(("restarts", "limits", "stop_errors"), 0)
        self._past = {"overflows": 0, "polls": 0}
        self._remark: str | None = None

    @property
    def watching(self) -> Literal["native", "polling", "away", "stopped"]:
        """How the folder is watched now."""
        source = self._source
        if source is not None:
            return source.kind
        return "away" if self._running else "stopped"

    @property
    def remark(self) -> str | None:
        """Why the folder is polled, in words for a person; None when it is not."""
        return self._remark if self.watching == "polling" else None

    def start(self) -> None:
        """Begin to watch. A folder that is away is watched once `check` finds it. Idempotent."""
        with self._lock:
            if self._running:
                return
            self._running = True
            try:
                self._open(open_root(self._root))
            except FolderAway as error:
                log.info("the folder is watched when it comes back", why=str(error))

    def stop(self) -> None:
        """End all threads. Idempotent; hints that are under way may still arrive."""
        with self._lock:
            self._running = False
            self._close()

    def check(self) -> None:
        """Find out whether hints still come, and mend what keeps them away.

        To be called every few seconds; next to free while all is well. Wherever hints may
        have been lost, a Rescan follows once the folder is watched again.
        """
        with self._lock:
            if not self._running:
                return
            self._outbox.pay()
            try:
                identity = open_root(self._root)
            except FolderAway as error:
                self._lose(str(error))
                return
            trouble = self._trouble(identity)
            if trouble is not None:
                self._close()
                self._open(identity)
                self._counts["restarts"] += 1
                self._outbox.rescan(f"watching began anew: {trouble.reason}", trouble.loss)

    def stats(self) -> dict[str, int]:
        """Return counters since the watcher was made."""
        return {**self._outbox.counts(), **self._counts, **self._source_counts()}

    def _source_counts(self) -> dict[str, int]:
        """Return what all sources counted, the one at work included."""
        source = self._source
        counts = source.counts() if source is not None else {}
        return {name: past + counts.get(name, 0) for name, past in self._past.items()}

    def _trouble(self, identity: RootIdentity) -> Rescan | None:
        """Return why watching must begin anew, None when it need not."""
        if self._source is None:
            return Rescan("the folder is there again", Loss.FOLDER)
        if identity != self._identity:
            return Rescan("another folder is in the place of the watched one", Loss.FOLDER)
        trouble = self._source.trouble()
        if trouble is not None:
            self._deaths += 1
            self._healthy = 0
            return trouble
        if self._limits is not None and self._limits != self._surroundings.limits():
            return Rescan("the limits of inotify were changed")
        self._healthy += 1
        if self._healthy < _HEALTHY:
            return None
        gave_up = self._deaths >= _DEATHS
        self._deaths = self._healthy = 0
        return Rescan("inotify is tried again") if gave_up else None

    def _lose(self, why: str) -> None:
        if self._source is not None:
            self._close()
            self._outbox.rescan(why, Loss.FOLDER)

    def _open(self, identity: RootIdentity) -> None:
        """Watch the folder that is there now, by inotify if nothing speaks against it."""
        root = os.path.realpath(self._root)
        before, self._limits = self._remark, None
        self._remark = self._reason_to_poll(root)
        say = log.warning if self._remark is None else log.info
        self._source = self._try_native(root) if self._remark is None else None
        if self._source is None:
            poller = Poller(root, self._rules, self._outbox, self._poll_interval)
            poller.start()
            self._source = poller
            if self._remark != before:
                say("the folder is polled", folder=self._root, why=self._remark)
        self._identity = identity

    def _reason_to_poll(self, root: bytes) -> str | None:
        if self._mode == "polling":
            return f"it is looked at every {self._poll_interval:g} s, as the settings say"
        kind = self._surroundings.mount_kind(root) if self._mode == "auto" else ""
        if is_remote(kind):
            return (
                f"changes made elsewhere on {kind} are not told to this machine, so it is looked "
                f"at every {self._poll_interval:g} s"
            )
        if self._deaths >= _DEATHS:
            return "watching by inotify failed again and again; it will be tried later"
        return None

    def _try_native(self, root: bytes) -> NativeWatch | None:
        """Watch by inotify, or say in the remark why that cannot be."""
        try:
            watch = NativeWatch(root, self._rules, self._outbox)
            watch.start()
        except LimitReached as reached:
            self._counts["limits"] += 1
            self._limits = self._surroundings.limits()
            self._remark = (
                f"the limit {reached.sysctl} is reached, so it is looked at every "
                f"{self._poll_interval:g} s; raise the limit with sysctl, and it is watched again"
            )
            return None
        except OSError as error:
            self._deaths = _DEATHS
            self._remark = f"inotify failed: {in_words(error)}; it will be tried later"
            return None
        return watch

    def _close(self) -> None:
        self._past = self._source_counts()
        source, self._source, self._identity = self._source, None, None
        if source is None:
            return
        try:
            source.stop()
        except Exception:
            # watchdog's bookkeeping is known to fail when directories were moved out of the
            # folder. Its threads have been ended all the same, and a new watch owes it nothing.
            self._counts["stop_errors"] += 1
            log.warning("a watch did not end cleanly", folder=self._root, exc_info=True)
