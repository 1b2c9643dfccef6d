"""The one writer: short transactions, committed in groups.

Everybody hands in a function of a connection; one thread runs what is waiting inside one
BEGIN IMMEDIATE, each function under its own savepoint, and commits once with
`synchronous=FULL`. A caller continues only after the commit that holds its work is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from boardsync.errors import BoardsyncError, Bug, TryAgain
from boardsync.state.trouble import primary_code, state_error

log = structlog.get_logger(__name__)
T = TypeVar("T")
Work = Callable[[Connection], T]
_Entry = tuple[Work[Any], Future[Any]]
_Outcome = tuple[Any, BaseException | None]

Tell = Callable[[DBAPIError], BoardsyncError]
"""Classifies what SQLite says went wrong."""
Parting = Callable[[sqlite3.Connection], None]
"""Takes a last look at the connection, which is in no transaction then."""

_NOTHING: _Entry = (lambda _: None, Future())
"""Wakes the thread, so that it answers who asked."""

GROUP_LIMIT = 256
"""Functions in one transaction: bounds how long a reader's snapshot falls behind."""
ROOM_SECONDS = 1.0
"""Between two tries to write to a disk that is full."""


class Writer(Protocol):
    """Runs functions that write, in the order they were handed in."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return its result once that is durable."""

    def write_now(self, work: Work[T]) -> T:
        """The same for threads without a loop."""

    async def answer(self) -> None:
        """Return once the writer has taken a step: it hangs when this does not come.

        Nothing is written. Waiting for room on a full disk is no hanging. Raises Bug when nobody
        is left who could write.
        """

    def wait_for_room(self, seconds: float = ROOM_SECONDS) -> None:
        """From now on, wait while the disk is full, and try again every so many seconds."""

    @property
    def alive(self) -> bool:
        """Tell whether what is handed in will be run."""

    @property
    def full(self) -> bool:
        """Tell whether it waits for room on the disk."""

    def close(self, last: Parting | None = None) -> None:
        """Finish what was handed in and let go of the connection; `last` may look at it before."""


class InlineWriter:
    """A writer without a thread: each function is its own transaction. For tools and tests."""

    alive = True
    full = False

    def __init__(self, engine: Engine, tell: Tell = state_error) -> None:
        self._engine = engine
        self._tell = tell

    async def write(self, work: Work[T]) -> T:
        return self.write_now(work)

    def write_now(self, work: Work[T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise self._tell(error) from error

    async def answer(self) -> None:
        """Return: who asks is who writes."""

    def wait_for_room(self, seconds: float = ROOM_SECONDS) -> None:
        """Change nothing: who commits in their own thread is told of a full disk, always."""

    def close(self, last: Parting | None = None) -> None:
        _part(self._engine, last)


class GroupCommitWriter:
    """The writer of a running daemon."""

    def __init__(self, engine: Engine, tell: Tell = state_error) -> None:
        self._engine = engine
        self._tell = tell
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._room_seconds: float | None = None
        self._full = False
        self._asking: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def full(self) -> bool:
        return self._full

    async def write(self, work: Work[T]) -> T:
        # Shielded: a cancelled caller must not leave the group guessing about its member.
        handed = asyncio.wrap_future(self._submit(work))
        handed.add_done_callback(_seen)
        return await asyncio.shield(handed)

    def write_now(self, work: Work[T]) -> T:
        return self._submit(work).result()

    async def answer(self) -> None:
        if not self.alive:
            raise Bug("the thread that writes the state file has ended")
        asking: Future[None] = Future()
        self._asking.put(asking)
        self._queue.put(_NOTHING)
        await asyncio.wrap_future(asking)

    def wait_for_room(self, seconds: float = ROOM_SECONDS) -> None:
        self._room_seconds = seconds

    def close(self, last: Parting | None = None) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                self._queue.put(None)
        self._thread.join()
        _part(self._engine, last)

    def _submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._closed.is_set():
                raise TryAgain("the state file is closed: boardsync is stopping")
            self._queue.put((work, future))
        return future

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group: list[_Entry] = []
            entry = self._queue.get()
            while True:
                if entry is None:
                    stopping = True
                    break
                self._answer()
                if entry is not _NOTHING and entry[1].set_running_or_notify_cancel():
                    group.append(entry)
                if len(group) >= GROUP_LIMIT or self._queue.empty():
                    break
                entry = self._queue.get()
            if group:
                self._commit(group)

    def _commit(self, group: list[_Entry]) -> None:
        """Carry a group out, and tell each of its members how it went."""
        while (error := self._try(group)) is not None:
            if not (_is_full(error) and self._wait_for_room()):
                for _, future in group:
                    future.set_exception(self._told(error))
                return

    def _try(self, group: list[_Entry]) -> BaseException | None:
        """Carry a group out. Returns what took all of it back: nobody's work is durable then."""
        try:
            outcomes = self._transaction([work for work, _ in group])
        except _TransactionLost as lost:
            if len(group) == 1:
                return lost.reason
            # What broke it is alone in its own transaction, and the others are not harmed.
            for entry in group:
                self._commit([entry])
            return None
        except BaseException as error:  # the commit itself failed
            return error
        self._note_room()
        for (_, future), (result, problem) in zip(group, outcomes, strict=True):
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(self._told(problem))
        return None

    def _wait_for_room(self) -> bool:
        """Wait a moment. False when nobody asked for that, or when the end is near."""
        if self._room_seconds is None:
            return False
        if not self._full:
            self._full = True
            log.warning("the disk of the state file is full: everything waits for room on it")
        self._answer()
        return not self._closed.wait(self._room_seconds)

    def _answer(self) -> None:
        """Let everybody who asked know that this thread goes on."""
        while not self._asking.empty():
            asking = self._asking.get()
            if asking.set_running_or_notify_cancel():
                asking.set_result(None)

    def _note_room(self) -> None:
        if self._full:
            self._full = False
            log.info("the state file can be written again: everything goes on")

    def _told(self, error: BaseException) -> BaseException:
        """Return what a caller is told of an error: SQLite's own are classified."""
        if not isinstance(error, DBAPIError):
            return error
        told = self._tell(error)
        told.__cause__ = error
        return told

    def _transaction(self, works: list[Work[Any]]) -> list[_Outcome]:
        """Run functions in one transaction. What returns is durable."""
        with self._engine.begin() as connection:
            if len(works) == 1:
                return [(_alone(connection, works[0]), None)]
            return [_attempt(connection, work) for work in works]


class _TransactionLost(Exception):
    """SQLite took back the whole transaction, with what other functions did in it."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _alone(connection: Connection, work: Work[Any]) -> Any:
    """Run the only function of a transaction: what it raises takes the transaction back."""
    result = work(connection)
    if not _in_transaction(connection):
        raise Bug("a function ended the writer's transaction")
    return result


def _attempt(connection: Connection, work: Work[Any]) -> _Outcome:
    """Run one function under a savepoint, so that its failure is its own.

    Raises _TransactionLost: a full disk, for one, takes the savepoint and all work before it
    along, and a caller that was told otherwise would believe that its intent is durable.
    """
    connection.exec_driver_sql("SAVEPOINT member")
    try:
        result, problem = work(connection), None
    except BaseException as error:  # handed to whoever asked for it; the writer goes on
        result, problem = None, error
    if not _in_transaction(connection) or _is_full(problem):
        raise _TransactionLost(problem or Bug("a function ended the writer's transaction"))
    if problem is not None:
        connection.exec_driver_sql("ROLLBACK TO member")
    connection.exec_driver_sql("RELEASE member")
    return result, problem


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def _part(engine: Engine, last: Parting | None) -> None:
    if last is not None:
        with contextlib.closing(engine.raw_connection()) as pooled:
            driver: Any = pooled.driver_connection
            last(driver)
    engine.dispose()


def _seen(handed: asyncio.Future[Any]) -> None:
    """Let nobody complain of a failure whose caller has given up waiting for it."""
    if not handed.cancelled():
        handed.exception()


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and primary_code(error.orig) == sqlite3.SQLITE_FULL
