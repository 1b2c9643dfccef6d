"""Opening the index: made when it is missing, made anew when it is damaged or another version's.

The driver is used as it is: a search answers before a larger library would be imported. Everybody
who has the file open holds a lock beside it together with the others; who deletes it, alone. So
nobody ever writes into the log of a file that was deleted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from boardsync.errors import Bug, NeedsPerson, NoRoom, TryAgain
from boardsync.index.schema import APPLICATION, PARTS, READER, TABLES, VERSION

T = TypeVar("T")
log = structlog.get_logger(__name__)

BUSY_SECONDS: Final = 10.0
_LOCK_SECONDS: Final = 5.0
_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_AT: Final = 68
_FIRST_PAGE: Final = 4096
_COMPANIONS: Final = ("-wal", "-shm", "-journal")
_DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_FORMAT,
    }
)  # fmt: skip
_PRIMARY: Final = 0xFF
_ELSEWHERE: Final = "the setting `index` names another place"


class Damaged(NeedsPerson):
    """The file is not what we made of it. Whoever writes makes it anew."""


class OfAnotherVersion(Damaged):
    """Another version of boardsync made the file: nothing is wrong with it."""


class Index:
    """An open index."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def ask(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a question."""
        return self._connection.execute(statement, values).fetchall()

    def tell(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Change something within `writing`; return how many rows that were."""
        return self._connection.execute(statement, values).rowcount

    def add(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Add a row within `writing`; return its number."""
        return self._connection.execute(statement, values).lastrowid or 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make what is told inside one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See one moment in all questions asked inside."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def verify_words(self, table: str) -> None:
        """Have a table of words compared with what it is made of. SQLite raises what is wrong."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute(
                f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)"
            )
        finally:
            self._connection.execute("ROLLBACK")


def using(path: Path, work: Callable[[Index], T]) -> T:
    """Open the index, do something with it, and close it.

    A file that turns out to be damaged is made anew, and the work is done a second time: it must
    not have used anything up. Raises NoRoom, TryAgain, and NeedsPerson for a file of others.
    """
    try:
        return _once(path, work)
    except Damaged as damage:
        log.warning("the index is made anew", path=str(path), why=str(damage))
    with _placing(path):
        _delete(path)
    try:
        return _once(path, work)
    except Damaged as damage:
        raise TryAgain(f"{path}: the index was damaged as soon as it was made: {damage}") from None


def read_only(path: Path, work: Callable[[Index], T]) -> T | None:
    """Open the index as it is to look at it; None where there is none.

    Raises Damaged where `using` would make it anew, and what that raises.
    """
    with _placing(path):
        if not _is_there(path):
            return None
    with _told(path), _held(path):
        if not _is_there(path):  # removed before it was held
            return None
        with contextlib.closing(_connect(path)) as connection:
            _prepare(connection, path)
            return work(Index(path, connection))


def remove(path: Path) -> None:
    """Delete the index, once nobody uses it: it is made anew. Raises TryAgain while it is used."""
    with _placing(path):
        _delete(path)


def _once(path: Path, work: Callable[[Index], T]) -> T:
    with _told(path):
        _make_if_missing(path)
        with _held(path), contextlib.closing(_connect(path)) as connection:
            _prepare(connection, path)
            _read_anew_after_an_update(connection)
            return work(Index(path, connection))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Classify what SQLite says."""
    try:
        yield
    except sqlite3.Error as error:
        if "no such module" in str(error) or "no such tokenizer" in str(error):
            raise NeedsPerson(f"{path}: this Python's SQLite cannot search texts (FTS5)") from error
        code = _code(error)
        if code in _DAMAGED:
            raise Damaged(str(error)) from error
        if code == sqlite3.SQLITE_FULL:
            raise NoRoom(f"{path}: there is no room for the index; make some") from error
        if code == sqlite3.SQLITE_ERROR:
            raise Bug(f"{path}: the index refused what it was asked: {error}") from error
        raise TryAgain(f"{path}: the index cannot be used now: {error}") from error


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & _PRIMARY


def _connect(path: Path) -> sqlite3.Connection:
    """Connect to the file. It must be opened by SQLite alone.

    Closing any other descriptor of it would drop the locks that this process has on it.
    """
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)


@contextlib.contextmanager
def _placing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"{path}: there is no room for the index; make some") from error
        raise TryAgain(
            f"{path}: the index cannot be kept there ({error.strerror}); {_ELSEWHERE}"
        ) from error


def _make_if_missing(path: Path) -> None:
    """Make the file with its tables, alone; others come to it when it is complete."""
    with _placing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_there(path):
            return
        lock = _locked(path, fcntl.LOCK_EX)
    try:
        if _is_there(path):  # somebody else was quicker
            return
        with _placing(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        with contextlib.closing(_connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO fact VALUES ('reader', ?)", (READER,))
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("COMMIT")
    finally:
        os.close(lock)


def _is_there(path: Path) -> bool:
    """Tell whether there is something in the file. Raises NeedsPerson for what is no file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise NeedsPerson(f"{path}: no regular file; {_ELSEWHERE}")
    return found.st_size > 0


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set a connection up. Raises Damaged, and NeedsPerson for another program's database."""
    connection.execute("BEGIN")
    number, version = (_number(connection, name) for name in ("application_id", "user_version"))
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.execute("ROLLBACK")
    if number != APPLICATION and names:
        raise NeedsPerson(f"{path}: a database, but no index of boardsync; {_ELSEWHERE}")
    if version != VERSION:
        raise OfAnotherVersion(f"it is of version {version}, this boardsync makes {VERSION}")
    missing = next((part for part in PARTS if part not in names), None)
    if missing is not None:
        raise Damaged(f"{missing} is missing")
    for pragma in ("synchronous=NORMAL", "cache_size=-8192", "journal_size_limit=16777216"):
        connection.execute(f"PRAGMA {pragma}")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _read_anew_after_an_update(connection: sqlite3.Connection) -> None:
    """Have everything read again by a reader that reads more; until then the old words stay."""
    row = connection.execute("SELECT value FROM fact WHERE name = 'reader'").fetchone()
    if row is None:
        raise Damaged("it does not say who read the pictures")
    if row[0] != READER:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE file SET reader = 0 WHERE reader != ?", (READER,))
        connection.execute("UPDATE fact SET value = ? WHERE name = 'reader'", (READER,))
        connection.execute("COMMIT")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Use the file together with others, and keep everybody from deleting it."""
    with _placing(path):
        lock = _locked(path, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(lock)


def _locked(path: Path, how: int) -> int:
    """Take the lock beside the file; return its descriptor. Raises OSError, TryAgain."""
    lock = path.with_name(f"{path.name}.lock")
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + _LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise TryAgain(f"{path}: others use the index; try again later") from None
                time.sleep(0.02)
    except BaseException:
        os.close(fd)
        raise


def _delete(path: Path) -> None:
    """Delete an index while nobody uses it; what may be something else is set aside."""
    fd = _locked(path, fcntl.LOCK_EX)
    try:
        with path.open("rb") as stream:
            head = stream.read(_APPLICATION_AT + 4)
        number = int.from_bytes(head[_APPLICATION_AT:], "big")
        # Of one that was killed while it was made nothing but the header may be there.
        begun = number == 0 and path.stat().st_size <= _FIRST_PAGE
        if head.startswith(_MAGIC) and (number == APPLICATION or begun):
            path.unlink()
        else:
            aside = path.with_name(f"{path.name}.set-aside-{time.time_ns()}")
            path.rename(aside)
            log.warning("what stood in the index's place is kept", kept_as=str(aside))
        for suffix in _COMPANIONS:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    finally:
        os.close(fd)
