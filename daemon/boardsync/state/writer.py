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

from boardsync.errors import BoardsyncError, NoRoom, TryAgain

T = TypeVar("T")
Work = Callable[[Connection], T]

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
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
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
            group: list[tuple[Work[Any], Future[Any]]] = []
            entry = self._queue.get()
            while True:
                if entry is None:
                    stopping = True
                    break
                group.append(entry)
                if len(group) >= GROUP_LIMIT or self._queue.empty():
                    break
                entry = self._queue.get()
            if group:
                self._commit(group)

    def _commit(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._engine.begin() as connection:
                for work, future in group:
                    outcomes.append((future, *_attempt(connection, work)))
        except Exception as error:  # the commit itself failed: nobody's work is durable
            failure = state_error(error) if isinstance(error, DBAPIError) else error
            for _, future in group:
                future.set_exception(failure)
            return
        for future, result, problem in outcomes:
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)


def _attempt(connection: Connection, work: Work[Any]) -> tuple[Any, BaseException | None]:
    """Run one function under a savepoint, so that its failure is its own."""
    try:
        with connection.begin_nested():
            return work(connection), None
    except DBAPIError as error:
        return None, state_error(error)
    except Exception as error:  # handed to whoever asked for it
        return None, error


def state_error(error: DBAPIError) -> BoardsyncError:
    """Classify what SQLite said."""
    text = str(error.orig)
    if "full" in text:
        return NoRoom(f"the state file cannot be written: {text}; free some disk space")
    return TryAgain(f"the state file cannot be written: {text}")
