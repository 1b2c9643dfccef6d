"""Opening the state file: pragmas, schema, corruption, versions.

The driver's own transaction mode is switched off: with it, read-then-write updates are lost
and a failed upgrade wedges the file (docs/decisions/0002). Every write begins IMMEDIATE.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from boardsync.errors import TryAgain
from boardsync.state import upgrade
from boardsync.state.copies import copy_database
from boardsync.state.displaced import Place
from boardsync.state.health import Health, suspicion_of
from boardsync.state.shape import find_fault, missing_part
from boardsync.state.trouble import opening
from boardsync.state.writer import GroupCommitWriter, InlineWriter, Work, Writer

T = TypeVar("T")
log = structlog.get_logger(__name__)

BUSY_SECONDS = 10.0
_CURSORS = "boardsync cursors"


class State:
    """The state file: many readers, one writer.

    set_aside: where a corrupt one is kept, whose place this one has taken just now.
    """

    def __init__(
        self, health: Health, path: Path, reader: Engine, writer: Writer,
        set_aside: Path | None = None, place: Place | None = None,
    ) -> None:  # fmt: skip
        self.health = health
        self.path = path
        self.set_aside = set_aside
        self._reader = reader
        self._writer = writer
        self._place = place

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent moment. Do not await the network in it."""
        self._require_place()
        try:
            with self._reader.connect() as connection:
                try:
                    yield connection
                except BaseException:
                    # A traceback can keep a half-read cursor alive, and that cursor would pin the
                    # next user of a pooled connection to this moment. So it is not pooled again.
                    connection.invalidate()
                    raise
                _close_cursors(connection)
        except DBAPIError as error:
            raise self.health.told(error) from error

    async def write(self, work: Work[T]) -> T:
        """Run `work(connection)` in a transaction; return once it is durable."""
        self._require_place()
        return await self._writer.write(work)

    def write_now(self, work: Work[T]) -> T:
        """The same, for threads."""
        self._require_place()
        return self._writer.write_now(work)

    async def rest(self) -> None:
        """Let go of what connections keep in memory to be quicker; the next reader opens anew."""
        self._reader.dispose()
        await self._writer.write(lambda c: c.exec_driver_sql("PRAGMA shrink_memory").close())

    async def answer(self) -> None:
        """Return once the writer has shown that it goes on. Raises Bug when it has ended."""
        await self._writer.answer()

    def wait_for_room(self) -> None:
        """From now on, let whoever writes wait while the disk is full; until then it is NoRoom."""
        self._writer.wait_for_room()

    @property
    def writer_alive(self) -> bool:
        """Tell whether the thread that writes is there."""
        return self._writer.alive

    @property
    def full(self) -> bool:
        """Tell whether everything waits for room on the file's disk."""
        return self._writer.full

    def close(self) -> None:
        """Finish what was handed in. Afterwards the one file holds everything.

        The writer goes last: only it may move what is in the log into the file.
        """
        self._reader.dispose()
        displaced = self._place is not None and self._place.complaint() is not None
        self._writer.close(self._place.rescue if self._place is not None and displaced else None)
        if self._place is not None:
            self._place.close()
            self._place = None

    def _require_place(self) -> None:
        """Raise TryAgain when the file in use is not the one in its place any more."""
        complaint = self._place.complaint() if self._place is not None else None
        if complaint is not None:
            self.health.displaced(complaint)
            raise complaint


def open_state(path: Path, *, inline: bool = False) -> State:
    """Open for writing: make it, upgrade it, or set a corrupt one aside and begin anew.

    inline: commit in the calling thread, for tools and tests. Raises StateTooNew, NeedsPerson
    or TryAgain, with the file untouched, and NoRoom.
    """
    with opening(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = _set_aside_if_corrupt(path)
        _make_private(path)
        upgrade.to_head(path)
    engine, health = writing_engine(path), Health(path, note=True)
    made = InlineWriter if inline else GroupCommitWriter
    writer = made(engine, health.told)
    return State(health, path, reading_engine(path), writer, aside, Place(path))


def _make_private(path: Path) -> None:
    """Make an empty file for its owner alone; SQLite gives its companions the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def open_readonly(path: Path) -> State:
    """Open without the right to write.

    Raises FileNotFoundError when there is none yet, StateTooNew, NeedsPerson, or TryAgain for
    one that is damaged or of an older boardsync.
    """
    with opening(path):
        found = upgrade.refuse_newer(path)
    if found is None:
        raise FileNotFoundError(path)
    if found != upgrade.HEAD:
        raise TryAgain(
            f"{path}: written by an older boardsync; `boardsync run` or `once` upgrades it"
        )
    _require_whole_shape(path)
    engine, health = reading_engine(path), Health(path, note=False)
    return State(health, path, engine, InlineWriter(engine, health.told))


def _require_whole_shape(path: Path) -> None:
    """Raise TryAgain when a part of the schema is missing."""
    with opening(path):
        part = missing_part(path)
    if part is not None:
        raise TryAgain(
            f"{path}: this state file is damaged ({part} is missing); the next start of"
            " `boardsync run` or `once` keeps it aside and rebuilds it from the disk and the boards"
        )


def open_scratch(path: Path, directory: Path) -> State:
    """Open a private copy, so that a plan can observe without touching the real state.

    A missing original gives an empty copy. The caller removes `directory`.
    """
    copy = directory / "plan.db"
    with opening(path):
        if upgrade.refuse_newer(path) is not None:
            _require_whole_shape(path)
            copy_database(path, copy)
    return open_state(copy, inline=True)


def reading_engine(path: Path) -> Engine:
    """Make an engine whose connections cannot write."""
    engine = create_engine(
        "sqlite://",
        # An address of SQLAlchemy's own could not hold every name that a file may have.
        creator=partial(
            sqlite3.connect, f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS,
            check_same_thread=False,
        ),
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=64,
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def on_connect(dbapi: sqlite3.Connection, _: Any) -> None:
        dbapi.isolation_level = None
        dbapi.execute("PRAGMA query_only=1")
        dbapi.execute("PRAGMA cache_size=-4096")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "after_cursor_execute")
    def on_execute(connection: Connection, cursor: sqlite3.Cursor, *_: Any) -> None:
        connection.info.setdefault(_CURSORS, weakref.WeakSet()).add(cursor)

    return engine


def _close_cursors(connection: Connection) -> None:
    """Let go of what was not read to its end: it would pin the connection's next user, too."""
    for cursor in connection.info.pop(_CURSORS, ()):
        cursor.close()


def writing_engine(path: Path) -> Engine:
    """Make an engine with one connection, which commits durably."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def on_connect(dbapi: sqlite3.Connection, _: Any) -> None:
        dbapi.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
                       "cache_size=-8192", "journal_size_limit=16777216"):  # fmt: skip
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _set_aside_if_corrupt(path: Path) -> Path | None:
    """Rename a file that is no intact database; say, and return, under which name it is kept."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    suspicion = suspicion_of(path)
    complaint = find_fault(path, thorough=suspicion.exists())
    aside = None if complaint is None else _set_aside(path, complaint)
    suspicion.unlink(missing_ok=True)
    return aside


def _set_aside(path: Path, complaint: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    log.error(
        "the state file is corrupt: kept aside, a new one is rebuilt from disk and boards",
        complaint=complaint,
        kept_as=str(aside),
    )
    return aside
