"""Keeps the search index in step with the mirrors' folders, after their passes.

Nobody waits for it: one thread of the lowest priority reads a few pictures at a time, and rests for
longer than it worked. What is in a folder it knows from the state; only what settled is opened.
What it needs is imported when there is something to do, and the index is open no longer than that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.passes import Look, Pass
from boardsync.engine.patience import patient_thread
from boardsync.errors import BoardsyncError
from boardsync.local.runs import Seen
from boardsync.state import observations, places

if TYPE_CHECKING:
    from boardsync.index.database import Index
    from boardsync.index.records import Place

log = structlog.get_logger(__name__)

GATHER_SECONDS = 1.0
"""What follows a pass closely is brought in with it."""
MOST_PATHS = 1000
"""More paths than this are a comparison of everything."""
ROWS = 500
"""Of what the state knows, in memory at once."""
BATCH_FILES = 50
BATCH_SECONDS = 0.2
REST = 3.0
"""After each batch, so many times as long as it took is left to others..."""
RETRY_SECONDS = 60.0
"""What stood in the way of news, and a pause, may be over without a further pass."""
REST_WHILE_CARRYING = 20.0
"""...and so many while pictures are being transferred."""


@dataclass(slots=True)
class News:
    """What passes of a mirror have seen since the index followed. walked_ms: the last whole one."""

    whole: bool = False
    walked_ms: int | None = None
    paths: set[bytes] = field(default_factory=set)

    def absorb(self, other: News) -> None:
        """Add what was not brought in, since something stood in the way."""
        self.whole |= other.whole
        self.walked_ms = self.walked_ms or other.walked_ms
        self.paths |= other.paths


class Indexing:
    """Brings into the index what passes see. at_work: it is doing so just now."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._news: dict[str, News] = {}
        self._followed: set[tuple[Path, str]] = set()
        self._in_doubt: set[str] = set()
        self._trouble = ""
        self.at_work = False
        self._wake = asyncio.Event()
        assembly.passed = self.hear

    def hear(self, mirror: Mirror, look: Look, done: Pass) -> None:
        """Take note of a pass."""
        path = self._assembly.settings.index
        if path is None:
            return
        if done.files is None and (look.folder or look.paths):
            # What was noted before the trouble is no news to the next pass: it tells nobody.
            self._in_doubt.add(mirror.name)
        if done.files is None and not done.hashed.paths:
            return
        news = self._news.setdefault(mirror.name, News())
        if look.folder and done.files is not None:
            news.walked_ms = now_ms(mirror.clock)
            news.whole |= bool(done.files.changed or done.files.gone)
        news.whole |= done.hashed_in_part or (path, mirror.name) not in self._followed
        if done.files is not None and mirror.name in self._in_doubt:
            self._in_doubt.discard(mirror.name)
            news.whole = True
        news.paths |= look.paths | set(done.hashed.paths)
        if len(news.paths) > MOST_PATHS:
            news.whole = True
        if news.whole:
            news.paths.clear()
        self._wake.set()

    def begin_anew(self) -> None:
        """Compare everything of every mirror: the index was removed."""
        for mirror in self._assembly.mirrors:
            self._news.setdefault(mirror.name, News()).whole = True
        self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        clock = self._assembly.clock
        while True:
            await clock.wait(self._wake, RETRY_SECONDS if self._news else None)
            self._wake.clear()
            await clock.sleep(GATHER_SECONDS)
            for mirror in list(self._assembly.mirrors):
                news = self._news.get(mirror.name)
                if news is not None and not _is_paused(mirror):
                    await self._follow_guarded(mirror, self._news.pop(mirror.name))

    async def _follow_guarded(self, mirror: Mirror, news: News) -> None:
        """Bring news in. What stands in the way is told once, and tried again in a while."""
        patient = patient_thread("boardsync-index")
        self.at_work = True
        try:
            await self._follow(mirror, news, patient)
            self._trouble = ""
        except BoardsyncError as error:
            if str(error) != self._trouble:
                log.warning("the index could not follow", mirror=mirror.name, why=str(error))
            self._trouble = str(error)
            self._news.setdefault(mirror.name, News()).absorb(news)
        except Exception:
            log.exception("bug: the index could not follow", mirror=mirror.name)
        finally:
            self.at_work = False
            patient.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, mirror: Mirror, news: News, patient: ThreadPoolExecutor) -> None:
        path = self._assembly.settings.index
        if path is None:
            return
        clock = self._assembly.clock
        loop = asyncio.get_running_loop()
        # Here, and what reads pictures later still: nothing of it is needed while nothing changes.
        from boardsync.index.database import using

        work = _Work(self._assembly.mirrors, mirror, news)
        number, left = await loop.run_in_executor(patient, using, path, work.look)
        self._followed.add((path, mirror.name))
        while left and not _is_paused(mirror) and mirror in self._assembly.mirrors:
            began = clock.monotonic()
            left = await loop.run_in_executor(patient, using, path, partial(_read, number))
            if left:
                await clock.sleep((clock.monotonic() - began) * self._rest())

    def _rest(self) -> float:
        carriers = self._assembly.carriers.values()
        return REST_WHILE_CARRYING if any(one.under_way for one in carriers) else REST


@dataclass(frozen=True, slots=True)
class _Work:
    """One comparison of the index with the state, which may have to be made twice."""

    mirrors: list[Mirror]
    mirror: Mirror
    news: News

    def look(self, index: Index) -> tuple[int, bool]:
        """Note in the index what is another than there.

        Returns the folder's number, and whether there is something to read.
        """
        from boardsync.index import follow

        follow.forget_others(index, [_place(one) for one in list(self.mirrors)])
        number = follow.enter(index, _place(self.mirror))
        with self.mirror.state.read() as connection:
            if self.news.whole or not follow.was_looked_at(index, number):
                found = self._settled(connection, b"")
                follow.look(
                    index, number, found, stays=lambda path: self._is_known(connection, path)
                )
            else:
                for path in _disjoint(self.news.paths):
                    follow.look(
                        index, number, self._settled(connection, path), below=path,
                        stays=lambda path: self._is_known(connection, path),
                    )  # fmt: skip
            identity = places.root_identity(connection, self.mirror.number) or ""
        if self.news.walked_ms is not None:
            follow.once_more(index, number)
            follow.note_look(index, number, identity, self.news.walked_ms)
        return number, follow.is_any_unread(index, number)

    def _settled(self, connection: Connection, below: bytes) -> Iterator[list[Seen]]:
        """Stream what is in the folder and no longer being written."""
        known = observations.known_files(connection, self.mirror.number, below)
        while rows := list(islice(known, ROWS)):
            yield [row[:5] for row in rows if row[5] is not None]

    def _is_known(self, connection: Connection, path: bytes) -> bool:
        return observations.find_file(connection, self.mirror.number, path) is not None


def _read(number: int, index: Index) -> bool:
    """Read some of a folder's pictures; tell whether there are more."""
    from boardsync.index.reading import read_some

    return read_some(index, number, most=BATCH_FILES, seconds=BATCH_SECONDS).left


def _place(mirror: Mirror) -> Place:
    from boardsync.index.records import Place

    return Place(os.path.realpath(mirror.root), mirror.name)


def _disjoint(paths: Iterable[bytes]) -> Iterator[bytes]:
    """Yield paths without those that lie below others."""
    above: bytes | None = None
    for path in sorted(paths, key=lambda path: path + b"/"):
        if above is None or not path.startswith(above):
            above = path + b"/"
            yield path


def _is_paused(mirror: Mirror) -> bool:
    return mirror.brake.pause() is not None
