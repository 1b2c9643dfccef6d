"""Watching by looking again and again, where the kernel does not tell.

For network filesystems and for folders beyond inotify's limits. Keeps names and a number for
each file, about 40 bytes, and never takes more than a twentieth of the time.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Container, Iterator
from typing import Literal, NamedTuple

from boardsync.local.hints import Loss, Outbox, Rescan
from boardsync.local.ignore import IGNORE_FILE, Rules
from boardsync.local.report import ScanReport
from boardsync.local.scan import list_directory

_SHARE = 20
_STOP_SECONDS = 30.0


class _Content(NamedTuple):
    """The files of one directory: their names joined by slashes, and a number for each."""

    names: bytes
    stamps: array[int]

    def files(self) -> set[tuple[bytes, int]]:
        return set(zip(self.names.split(b"/"), self.stamps, strict=False))


class Poller:
    """Looks at a folder every `interval` seconds and hints at what changed since the last look.

    The hints are exact but never `closed`: a poll cannot tell who is done with a file.
    """

    kind: Literal["polling"] = "polling"

    def __init__(self, root: bytes, rules: Rules, outbox: Outbox, interval: float) -> None:
        self._base = root if root.endswith(b"/") else root + b"/"
        self._rules = rules
        self._outbox = outbox
        self._interval = interval
        self._polls = 0
        self._duration = 0.0
        self._rules_stamp = 0
        self._seen: dict[bytes, _Content] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="boardsync-poll", daemon=True)

    def start(self) -> None:
        """Take the first look, which the later ones are compared with, then go on in a thread."""
        self._seen = {prefix: content for prefix, content in self._look() if content is not None}
        self._rules_stamp = self._stamp(IGNORE_FILE)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the directory that it is in."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def trouble(self) -> Rescan | None:
        """Return why no hints can come, None when all is well."""
        alive = self._thread.is_alive()
        return None if alive else Rescan("the polling thread died", Loss.THREAD)

    def counts(self) -> dict[str, int]:
        """Return how many looks there were after the first."""
        return {"polls": self._polls}

    def _run(self) -> None:
        while not self._stopped.wait(max(self._interval, self._duration * _SHARE)):
            self._compare()

    def _compare(self) -> None:
        """Look once more, hint at what differs, and remember what is there now."""
        started = time.monotonic()
        before, after = self._seen, dict[bytes, _Content]()
        fresh: set[bytes] = set()
        unreadable: tuple[bytes, ...] = ()
        for prefix, content in self._look():
            if content is None:
                unreadable += (prefix,)
                continue
            old = before.pop(prefix, None)
            after[prefix] = content
            if old is None:
                fresh.add(prefix)
                self._hint_directory(prefix, fresh)
            elif old != content:
                self._hint_differences(prefix, old, content)
        if self._stopped.is_set():
            return
        for prefix, old in before.items():
            if prefix.startswith(unreadable):
                after[prefix] = old
            else:
                self._hint_directory(prefix, before)
        self._seen = after
        self._polls += 1
        self._compare_rules()
        self._duration = time.monotonic() - started

    def _compare_rules(self) -> None:
        stamp = self._stamp(IGNORE_FILE)
        if stamp != self._rules_stamp:
            self._rules_stamp = stamp
            self._outbox.hint(IGNORE_FILE, is_dir=False)

    def _look(self) -> Iterator[tuple[bytes, _Content | None]]:
        """Walk the folder and yield each directory's content, or None where it is unreadable."""
        stack = [b""]
        while stack and not self._stopped.is_set():
            prefix = stack.pop()
            report = ScanReport()
            names = list_directory(self._base, prefix, self._rules, report)
            stack.extend(prefix + name for name in names if name.endswith(b"/"))
            files = [name for name in names if not name.endswith(b"/")]
            stamps = array("q", (self._stamp(prefix + name) for name in files))
            yield prefix, None if report.unreadable else _Content(b"/".join(files), stamps)

    def _stamp(self, path: bytes) -> int:
        """Return a number that changes when the file does, 0 when it cannot be looked at."""
        try:
            result = os.lstat(self._base + path)
        except OSError:
            return 0
        return hash((result.st_size, result.st_mtime_ns, result.st_ctime_ns, result.st_ino))

    def _hint_directory(self, prefix: bytes, others: Container[bytes]) -> None:
        """Hint at a directory that came or went, unless the one above came or went with it."""
        path = prefix[:-1]
        parent, slash, _ = path.rpartition(b"/")
        if parent + slash not in others:
            self._outbox.hint(path, is_dir=True)

    def _hint_differences(self, prefix: bytes, old: _Content, new: _Content) -> None:
        """Hint at the files of one directory that came, went or changed."""
        for name in {name for name, _ in old.files() ^ new.files()}:
            self._outbox.hint(prefix + name, is_dir=False)
