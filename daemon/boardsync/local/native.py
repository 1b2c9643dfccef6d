"""Watching by inotify, through watchdog.

What watchdog keeps to its log is made visible here: lost events, and directories beyond the
limit on watches. Directories that the rules leave alone are not watched at all: on network
disks they can outnumber the pictures.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, EventDispatcher
from watchdog.observers.inotify import InotifyFullEmitter
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    Watch,
    WatchCallback,
    WatchDescriptor,
)

from boardsync.local.hints import Loss, Outbox, Rescan
from boardsync.local.ignore import Rules

_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
"""Neither opening and reading, which we do ourselves, nor every single write."""

_STOP_SECONDS = 10.0
_LIMITS = {
    errno.ENOSPC: "fs.inotify.max_user_watches",
    errno.EMFILE: "fs.inotify.max_user_instances",
}


class LimitReached(Exception):
    """The kernel watches no more for this user. `sysctl` names the limit to raise."""

    def __init__(self, sysctl: str) -> None:
        super().__init__(sysctl)
        self.sysctl = sysctl


def read_limits() -> tuple[str, ...]:
    """Return the values of the limits on inotify: they change when a person raises them."""
    values = []
    for name in _LIMITS.values():
        with suppress(OSError), open("/proc/sys/" + name.replace(".", "/")) as stream:
            values.append(stream.read().strip())
    return tuple(values)


class NativeWatch:
    """Watches one folder that is there, until it is stopped or gets into trouble.

    root: absolute and without symlinks, because inotify would watch the link itself.
    attributes: also tell of files that were given another time, say, and are else as they were.
    """

    kind: Literal["native"] = "native"

    def __init__(
        self, root: bytes, rules: Rules, outbox: Outbox, *, attributes: bool = False
    ) -> None:
        self._root = root
        self._events = [*_EVENTS, FileAttribEvent] if attributes else _EVENTS
        self._handler = _Handler(root, outbox)
        try:
            self._inotify = _Inotify(root, rules, outbox)
        except OSError as error:
            raise _classified(error) from error
        emitter = _AttributesToo if attributes else InotifyFullEmitter
        self._observer = BaseObserver(emitter, inotify_fd=self._inotify)

    def start(self) -> None:
        """Watch every directory, then return. Raises LimitReached, or OSError as it comes."""
        self._inotify.start()
        try:
            self._observer.schedule(
                self._handler, os.fsdecode(self._root), recursive=True, event_filter=self._events
            )
            self._observer.start()
        except OSError as error:
            self.stop()
            raise _classified(error) from error
        if self._inotify.limit is not None:
            self.stop()
            raise LimitReached(self._inotify.limit)

    def stop(self) -> None:
        """End all threads. Whatever the library raises is passed on after that."""
        try:
            self._observer.stop()
        finally:
            self._observer.event_queue.put(EventDispatcher.stop_event)
            self._inotify.stop()
            for thread in (self._observer, self._inotify):
                if thread.is_alive():
                    thread.join(_STOP_SECONDS)

    def trouble(self) -> Rescan | None:
        """Return why hints are missing or cannot come, None when all is well."""
        if self._inotify.limit is not None:
            words = f"new directories are beyond the limit {self._inotify.limit}"
            return Rescan(words, Loss.LIMIT)
        if self._inotify.unmounted:
            return Rescan("a filesystem in the folder was unmounted", Loss.FOLDER)
        emitters = self._observer.emitters
        threads = [self._inotify, self._observer, *emitters]
        if not emitters or not all(thread.is_alive() for thread in threads):
            return Rescan("a watching thread died", Loss.THREAD)
        return None

    def counts(self) -> dict[str, int]:
        """Return how often the kernel's queue overflowed."""
        return {"overflows": self._inotify.overflows}


class _AttributesToo(InotifyFullEmitter):
    """Tells of changed times and rights, too: watchdog's filter asks the kernel for none."""

    def get_event_mask_from_filter(self) -> Mask:
        return Mask(super().get_event_mask_from_filter() | InotifyConstants.IN_ATTRIB)


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into hints."""

    def __init__(self, root: bytes, outbox: Outbox) -> None:
        self._prefix = root.rstrip(b"/") + b"/"
        self._outbox = outbox

    def dispatch(self, event: FileSystemEvent) -> None:
        """Pass both ends of an event on. Files of a directory that moved are not named each."""
        if event.is_synthetic:
            return
        moved = isinstance(event, FileMovedEvent)
        self._hint(event.src_path, event.is_directory, isinstance(event, FileClosedEvent))
        self._hint(event.dest_path, event.is_directory, moved)

    def _hint(self, path: str | bytes, is_dir: bool, closed: bool) -> None:
        raw = os.fsencode(path)
        if raw.startswith(self._prefix):
            self._outbox.hint(raw[len(self._prefix) :], is_dir=is_dir, closed=closed)


class _Inotify(InotifyFD):
    """The kernel's queue, with what watchdog only logs made known."""

    def __init__(self, root: bytes, rules: Rules, outbox: Outbox) -> None:
        super().__init__()
        self._root = root
        self._rules = rules
        self._outbox = outbox
        self.overflows = 0
        self.limit: str | None = None
        self.unmounted = False

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Watch a directory, unless the rules leave it alone.

        An OSError for anything below the root makes watchdog go on without it, in silence.
        """
        if path != self._root and self._is_left_alone(path):
            raise OSError(errno.ENOENT, "left alone by the rules")
        # watchdog takes a directory that it may not read for watched, under the number -1.
        if not os.access(path, os.R_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, "may not be read")
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            self.limit = _LIMITS.get(error.errno or 0, self.limit)
            raise

    def _get_or_create_watch(self, path: bytes, mask: Mask) -> Watch:
        """Forget who asked for a watch before: it is always the one group of this folder.

        Otherwise watchdog warns whenever a directory is met twice, as it is after quick moves,
        and where warnings are errors that ends the thread.
        """
        watch = super()._get_or_create_watch(path, mask)
        watch.callbacks.clear()
        return watch

    def handle_event(self, event: InotifyEvent) -> None:
        """Let watchdog see to an event, and tell of lost ones once it watches again."""
        super().handle_event(event)
        if event.is_queue_overflow:
            self.overflows += 1
            words = "the kernel's queue of changes overflowed, and some were lost"
            self._outbox.rescan(words, Loss.OVERFLOW)
        elif event.mask & InotifyConstants.IN_UNMOUNT:
            self.unmounted = True

    def _is_left_alone(self, path: bytes) -> bool:
        relative = path[len(self._root.rstrip(b"/")) + 1 :]
        return self._rules.verdict(relative, True) is not None


def _classified(error: OSError) -> OSError | LimitReached:
    sysctl = _LIMITS.get(error.errno or 0)
    return error if sysctl is None else LimitReached(sysctl)
