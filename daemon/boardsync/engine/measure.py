"""What is measured when somebody asks for the metrics; what is counted as it happens is not here.

A mirror of a million pictures is not counted for every question: see `engine.remembered`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import threading
import time
from collections import Counter as Tallied
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from boardsync import __version__
from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.index_standing import indexed
from boardsync.engine.remembered import Remembered
from boardsync.engine.service import Service
from boardsync.errors import BoardsyncError, TryAgain
from boardsync.local.hints import Loss
from boardsync.state import jobs, measure
from boardsync.state.database import State
from boardsync.state.transfers import TRAVELLING
from boardsync.telemetry import names
from boardsync.telemetry.counters import Sample, counters, in_order, sample
from boardsync.telemetry.process import LoopLag, process_samples

T = TypeVar("T")

QUEUE_SHARE, CONTENTS_SHARE, PICTURES_SHARE, INDEX_SHARE = 100.0, 1000.0, 300.0, 300.0
"""For so many times what it took, nothing is counted again: see `engine.remembered`."""
PATIENCE_SECONDS = 0.5
"""So long who asks waits for what is being counted; then what was counted before is told."""
END_SECONDS = 2.0
HOWS = ("native", "polling", "away", "stopped")
HINTED = ("path", "boards", "everything")
PASS_OUTCOMES = ("done", "trouble", "failed")
TRANSFER_OUTCOMES = ("finished", "refused", "failed", "waiting")


class Counting:
    """What has to be counted in the state of one mirror: by itself, now and then."""

    def __init__(self, mirror: Mirror, turn: threading.Lock) -> None:
        number, layout = mirror.number, mirror.layout
        self.mirror = mirror
        self._connection: Connection | None = None
        self._ended = False
        self.queue = Remembered(self._dated(lambda c: measure.queue(c, number)), QUEUE_SHARE, turn)
        self.contents = Remembered(
            self._dated(lambda c: measure.contents(c, number, layout)), CONTENTS_SHARE, turn
        )
        self.pictures = Remembered(
            self._dated(lambda c: measure.pictures(c, number, layout)), PICTURES_SHARE, turn
        )

    def begin(self) -> None:
        """Begin to count what is due."""
        for one in (self.queue, self.contents, self.pictures):
            one.begin()

    def end(self) -> None:
        """Break off what is being counted, and begin nothing more."""
        self._ended = True
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError, sqlite3.Error):  # it was done just now
                connection.connection.driver_connection.interrupt()  # type: ignore[union-attr]

    def _dated(self, count: Callable[[Connection], T]) -> Callable[[], tuple[float, T]]:
        """Return a function that counts, and tells also when it did."""

        def find() -> tuple[float, T]:
            if self._ended:
                raise TryAgain("boardsync is stopping")
            with self.mirror.state.read() as connection:
                self._connection = connection
                try:
                    return self.mirror.clock.now_ns() / 1e9, count(connection)
                finally:
                    self._connection = None

        return find


class Measuring:
    """Measures one running service. lag: how late its event loop is, where that is known."""

    def __init__(self, service: Service, lag: LoopLag | None = None) -> None:
        self._service = service
        self._lag = lag
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._counting: dict[int, Counting] = {}
        self._index = Remembered(
            lambda: indexed(self._assembly.settings), INDEX_SHARE, self._turn
        )  # fmt: skip

    @property
    def _assembly(self) -> Assembly:
        return self._service.assembly

    def close(self) -> None:
        """Count no more, and let go of the state: who counts would keep its log from ending."""
        until = time.monotonic() + END_SECONDS
        while time.monotonic() < until:
            for one in list(self._counting.values()):
                one.end()
            # What came too late to be broken off is found by the next round.
            if self._turn.acquire(timeout=0.05):
                self._turn.release()
                return

    def samples(self) -> list[Sample]:
        """Return all numbers, counted and measured, in order. To be called in a thread.

        What cannot be read now, because the state or its disk is in trouble, is left out.
        """
        measured = [*process_samples(), *self._of_servers(), *self._of_daemon()]
        until, mirrors = time.monotonic() + PATIENCE_SECONDS, list(self._assembly.mirrors)
        self._index.begin()
        for mirror in mirrors:
            self._counted(mirror).begin()
        for mirror in mirrors:
            measured += self._of_life(mirror)
            with contextlib.suppress(BoardsyncError):
                measured += self._of_standing(mirror)
            measured += self._of_queue(mirror, until)
            measured += self._of_contents(mirror, until)
        measured += self._of_index(until)
        return in_order([*counters.samples(), *measured])

    def _counted(self, mirror: Mirror) -> Counting:
        """Return what is counted of a mirror; it may be new, or other than before."""
        with self._lock:
            known = self._counting.get(mirror.number)
            if known is None or known.mirror is not mirror:
                known = self._counting[mirror.number] = Counting(mirror, self._turn)
                _begin_mirror(mirror.name)
            return known

    def _of_servers(self) -> Iterator[Sample]:
        for name, gate in list(self._assembly.gates.items()):
            counters.add(names.SERVER_BYTES_SENT, 0, server=name)
            counters.add(names.SERVER_BYTES_RECEIVED, 0, server=name)
            yield sample(names.SERVER_UP, int(gate.trouble is None), server=name)

    def _of_daemon(self) -> Iterator[Sample]:
        yield sample(
            names.BUILD, 1, version=__version__, python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
        )  # fmt: skip
        if self._lag is not None:
            yield sample(names.LOOP_LAG, self._lag.worst())
        state = self._assembly.state
        with contextlib.suppress(OSError):
            disk = os.statvfs(state.path)
            yield sample(names.STATE_FREE_BYTES, disk.f_bavail * disk.f_frsize)
            yield sample(names.STATE_DISK_BYTES, disk.f_blocks * disk.f_frsize)
            yield sample(names.STATE_BYTES, _size_of(state))
        with contextlib.suppress(BoardsyncError):
            with state.read() as connection:
                done = jobs.last_done(connection)
            for job, moment in done.items():
                yield sample(names.JOB_DONE, moment / 1000, job=job)

    def _of_life(self, mirror: Mirror) -> Iterator[Sample]:
        """Measure what only the running daemon knows."""
        watching = self._service.watching.get(mirror.name)
        how = str(watching.stats()["watching"]) if watching else "stopped"
        for one in HOWS:
            yield sample(names.WATCHING, int(one == how), mirror=mirror.name, how=one)
        carrier = self._assembly.carriers.get(mirror.settings.server)
        busy = Tallied(one.mirror for one in carrier.under_way) if carrier else Tallied[int]()
        yield sample(names.UNDER_WAY, busy[mirror.number], mirror=mirror.name)

    def _of_standing(self, mirror: Mirror) -> Iterator[Sample]:
        with self._assembly.state.read() as connection:
            found = measure.standing(connection, mirror.number)
        name = mirror.name
        yield sample(names.TROUBLE, self._seconds_since(found.trouble_since_ms), mirror=name)
        yield sample(names.LAST_SUCCESS, (found.seen_ms or 0) / 1000, mirror=name)
        yield sample(names.GUARD_TRIPS, found.trips, mirror=name)

    def _of_queue(self, mirror: Mirror, until: float) -> Iterator[Sample]:
        counted = self._counted(mirror).queue.newest(until - time.monotonic())
        if counted is None:
            return
        _, found = counted
        for kind in TRAVELLING:
            waiting = found.waiting.get(kind.value, 0)
            yield sample(names.WAITING, waiting, mirror=mirror.name, kind=kind.value)
        yield sample(names.FAILING, found.failing, mirror=mirror.name)
        yield sample(names.OLDEST, self._seconds_since(found.oldest_ms), mirror=mirror.name)
        yield sample(names.HELD, found.held, mirror=mirror.name)

    def _of_contents(self, mirror: Mirror, until: float) -> Iterator[Sample]:
        counting, name = self._counted(mirror), mirror.name
        contents = counting.contents.newest(until - time.monotonic())
        if contents is not None:
            when, held = contents
            yield sample(names.COUNTED, when, mirror=name, what="contents")
            yield sample(names.FILES, held.files, mirror=name)
            yield sample(names.FILE_BYTES, held.file_bytes, mirror=name)
            yield sample(names.ITEMS, held.items, mirror=name)
            yield sample(names.SETTLING, held.settling, mirror=name)
            yield sample(names.REFUSED, held.refused, mirror=name)
            yield sample(names.TRASHED, held.trashed, mirror=name)
        pictures = counting.pictures.newest(until - time.monotonic())
        if pictures is not None:
            when, found = pictures
            yield sample(names.COUNTED, when, mirror=name, what="pictures")
            yield sample(names.SYNCED, found.synced, mirror=name)
            yield sample(names.PARTED, found.parted, mirror=name)

    def _of_index(self, until: float) -> Iterator[Sample]:
        if self._assembly.settings.index is None:
            return
        found = self._index.newest(until - time.monotonic())
        for name, one in (found or {}).items():
            yield sample(names.INDEX_PICTURES, one.pictures, mirror=name)
            yield sample(names.INDEX_WAITING, one.waiting, mirror=name)
            yield sample(names.INDEX_FOLLOWED, (one.looked_ms or 0) / 1000, mirror=name)

    def _seconds_since(self, moment_ms: int | None) -> float:
        """Return how long ago something began; 0 for nothing, and while the clock is behind."""
        if moment_ms is None:
            return 0.0
        return max(0.0, (now_ms(self._assembly.clock) - moment_ms) / 1000)


def _size_of(state: State) -> int:
    """Return the bytes of the state file and its companions. Raises OSError."""
    total = state.path.stat().st_size
    with contextlib.suppress(FileNotFoundError):
        total += state.path.with_name(f"{state.path.name}-wal").stat().st_size
    return total


def _begin_mirror(name: str) -> None:
    """Let a mirror's counts be told before there is anything to count: growth needs a zero."""
    for loss in Loss:
        counters.add(names.WATCH_LOSSES, 0, mirror=name, reason=loss.value)
    for kind in TRAVELLING:
        for outcome in TRANSFER_OUTCOMES:
            counters.add(names.TRANSFERS, 0, mirror=name, kind=kind.value, outcome=outcome)
    for outcome in PASS_OUTCOMES:
        counters.add(names.PASSES, 0, mirror=name, outcome=outcome)
    for subject in HINTED:
        counters.add(names.HINTS, 0, mirror=name, subject=subject)
    counters.add(names.LISTINGS_DISTRUSTED, 0, mirror=name)
