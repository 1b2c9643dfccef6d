"""The one writer: short transactions, committed in groups.

Everybody hands in a function of a connection; one thread runs what is waiting inside one
BEGIN IMMEDIATE, each function under its own savepoint, and commits once with
`synchronous=FULL`. A caller continues only after the commit that holds its work is durable.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from boardsync.errors import Bug, TryAgain
from boardsync.state.trouble import state_error

T = TypeVar("T")
Work = Callable[[Connection], T]
_Entry = tuple[Work[Any], Future[Any]]
_Outcome = tuple[Any, BaseException | None]

GROUP_LIMIT = 256
"""Functions in one transaction: bounds how long a reader's snapshot falls behind."""


class Writer(Protocol):
    """Runs functions that write, in the order they were handed in."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return its result once that is durable."""

    def write_now(self, work: Work[T]) -> T:
        """The same for threads without a loop."""

    def close(self) -> None:
        """Finish what was handed in and let go of the connection."""


class InlineWriter:
    """A writer without a thread: each function is its own transaction. For tools and tests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def write(self, work: Work[T]) -> T:
        return self.write_now(work)

    def write_now(self, work: Work[T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise state_error(error) from error

    def close(self) -> None:
        self._engine.dispose()


class GroupCommitWriter:
    """The writer of a running daemon."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def write(self, work: Work[T]) -> T:
        # Shielded: a cancelled caller must not leave the group guessing about its member.
        return await asyncio.shield(asyncio.wrap_future(self._submit(work)))

    def write_now(self, work: Work[T]) -> T:
        return self._submit(work).result()

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()
        self._engine.dispose()

    def _submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
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
                if entry[1].set_running_or_notify_cancel():
                    group.append(entry)
                if len(group) >= GROUP_LIMIT or self._queue.empty():
                    break
                entry = self._queue.get()
            if group:
                self._commit(group)

    def _commit(self, group: list[_Entry]) -> None:
        try:
            outcomes = self._transaction([work for work, _ in group])
        except _TransactionLost as lost:
            if len(group) == 1:
                group[0][1].set_exception(_told(lost.reason))
                return
            # What broke it is alone in its own transaction, and the others are not harmed.
            for entry in group:
                self._commit([entry])
            return
        except BaseException as error:  # the commit itself failed: nobody's work is durable
            for _, future in group:
                future.set_exception(_told(error))
            return
        for (_, future), (result, problem) in zip(group, outcomes, strict=True):
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

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
    if not _in_transaction(connection):
        raise _TransactionLost(problem or Bug("a function ended the writer's transaction"))
    if problem is not None:
        connection.exec_driver_sql("ROLLBACK TO member")
    connection.exec_driver_sql("RELEASE member")
    return result, None if problem is None else _told(problem)


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def _told(error: BaseException) -> BaseException:
    """Return what a caller is told of an error: SQLite's own are classified."""
    if not isinstance(error, DBAPIError):
        return error
    told = state_error(error)
    told.__cause__ = error
    return told
