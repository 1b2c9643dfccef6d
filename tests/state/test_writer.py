"""The one writer: what it said is durable is durable, and one's failure is nobody else's."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from boardsync.errors import Bug, NoRoom, TryAgain
from boardsync.state.database import writing_engine
from boardsync.state.writer import GROUP_LIMIT, GroupCommitWriter, InlineWriter, Work
from places import in_namespace
from state.state_kit import logged

PATIENCE = 20.0


class Bench:
    """A writer on a table of numbers; work can be gathered into one group."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine: Engine = writing_engine(path)
        self.commits = 0
        event.listen(self.engine, "commit", self._count)
        self.writer = GroupCommitWriter(self.engine)
        for table in ("n (value INTEGER UNIQUE)", "big (filling BLOB)"):
            self.writer.write_now(lambda c, t=table: c.execute(text(f"CREATE TABLE {t}")))
        self._threads = ThreadPoolExecutor(16)

    def _count(self, _: Connection) -> None:
        self.commits += 1

    def together(self, *works: Work[Any]) -> list[Future[Any]]:
        """Hand functions in, in this order, so that they wait for one and the same group."""
        gate, waiting = threading.Event(), threading.Event()

        def hold(_: Connection) -> None:
            waiting.set()
            assert gate.wait(PATIENCE)

        held = self._threads.submit(self.writer.write_now, hold)
        assert waiting.wait(PATIENCE)
        handed = [self.writer._submit(work) for work in works]
        gate.set()
        held.result(PATIENCE)
        wait(handed, PATIENCE)
        return handed

    def values(self) -> list[int]:
        """Read what another process would find in the file."""
        with closing(sqlite3.connect(self.path)) as other:
            return [row[0] for row in other.execute("SELECT value FROM n ORDER BY value")]

    def close(self) -> None:
        self._threads.shutdown()
        self.writer.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "state.db")
    yield made
    made.close()


def add(value: int) -> Work[int]:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO n VALUES (:value)"), {"value": value})
        return value

    return work


def increment(connection: Connection) -> int:
    """Read, then write: what loses updates when two of them overlap."""
    value = int(connection.execute(text("SELECT max(value) FROM n")).scalar() or 0)
    connection.execute(text("UPDATE n SET value = :value"), {"value": value + 1})
    return value


def test_many_functions_share_one_commit_and_each_gets_its_own_answer(bench: Bench) -> None:
    before = bench.commits
    handed = bench.together(*(add(value) for value in range(200)))
    assert [one.result() for one in handed] == list(range(200))
    assert bench.values() == list(range(200))
    # One for the gate, one for all that waited behind it.
    assert bench.commits - before == 2


def test_a_group_is_bounded(bench: Bench) -> None:
    before = bench.commits
    bench.together(*(add(value) for value in range(GROUP_LIMIT + 1)))
    assert bench.commits - before == 3


def test_nothing_is_lost_in_400_concurrent_updates_from_threads(bench: Bench) -> None:
    bench.writer.write_now(add(0))
    with ThreadPoolExecutor(16) as threads:
        seen = list(threads.map(bench.writer.write_now, [increment] * 400))
    assert sorted(seen) == list(range(400))
    assert bench.values() == [400]


async def test_nothing_is_lost_in_400_concurrent_updates_from_tasks(bench: Bench) -> None:
    await bench.writer.write(add(0))
    seen = await asyncio.gather(*(bench.writer.write(increment) for _ in range(400)))
    assert sorted(seen) == list(range(400))
    assert bench.values() == [400]


def test_a_function_that_fails_does_not_harm_its_group(bench: Bench) -> None:
    def fail(connection: Connection) -> None:
        add(99)(connection)
        raise LookupError("of its own")

    first, failed, last = bench.together(add(1), fail, add(2))
    assert (first.result(), last.result()) == (1, 2)
    with pytest.raises(LookupError, match="of its own"):
        failed.result()
    assert bench.values() == [1, 2]


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_even_what_ends_programs_does_not_end_the_writer(
    bench: Bench, end: type[BaseException]
) -> None:
    def fail(_: Connection) -> None:
        raise end

    failed, other = bench.together(fail, add(1))
    with pytest.raises(end):
        failed.result()
    assert (other.result(), bench.writer.write_now(add(2))) == (1, 2)
    assert bench.writer.alive


def test_what_the_schema_refuses_is_a_bug_and_not_tried_for_ever(bench: Bench) -> None:
    first, doubled = bench.together(add(1), add(1))
    assert first.result() == 1
    with pytest.raises(Bug, match="UNIQUE"):
        doubled.result()
    assert bench.values() == [1]


def _grow(connection: Connection) -> None:
    connection.execute(text("INSERT INTO big VALUES (zeroblob(4000000))"))


def test_a_full_disk_never_takes_back_what_was_told_durable(bench: Bench) -> None:
    bench.writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    handed = bench.together(add(1), add(2), _grow, add(3))
    with pytest.raises(NoRoom, match="free some disk space"):
        handed[2].result()
    # SQLite takes back the whole transaction here, savepoints and all.
    assert [handed[n].result() for n in (0, 1, 3)] == [1, 2, 3]
    assert bench.values() == [1, 2, 3]


def test_a_full_disk_that_a_function_hides_cannot_make_the_writer_lie(bench: Bench) -> None:
    def hide(connection: Connection) -> str:
        add(2)(connection)
        with pytest.raises(Exception, match="full"):
            _grow(connection)
        return "as if nothing had been"

    bench.writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    first, hidden, last = bench.together(add(1), hide, add(3))
    assert (first.result(), last.result()) == (1, 3)
    assert (2 in bench.values()) == (hidden.exception() is None)
    assert {1, 3} <= set(bench.values())


def test_a_function_that_ends_the_transaction_is_told_so(bench: Bench) -> None:
    first, ending, last = bench.together(add(1), lambda c: c.exec_driver_sql("ROLLBACK"), add(2))
    with pytest.raises(Bug, match="ended the writer's transaction"):
        ending.result()
    assert (first.result(), last.result()) == (1, 2)
    assert bench.values() == [1, 2]


async def test_a_writer_that_waits_for_room_answers_and_writes_nothing(bench: Bench) -> None:
    before = bench.commits
    await asyncio.wait_for(bench.writer.answer(), PATIENCE)
    assert bench.commits == before
    bench.writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    bench.writer.wait_for_room(0.01)
    waiting = bench.writer._submit(_grow_at(10**9))
    for _ in range(3):
        await asyncio.wait_for(bench.writer.answer(), PATIENCE)
    assert not waiting.done()


async def test_a_writer_whose_thread_has_ended_answers_nobody(bench: Bench) -> None:
    bench.writer.close()
    with pytest.raises(Bug, match="has ended"):
        await asyncio.wait_for(bench.writer.answer(), PATIENCE)


def test_an_inline_writer_tells_of_a_full_disk_too(tmp_path: Path) -> None:
    writer = InlineWriter(writing_engine(tmp_path / "state.db"))
    writer.write_now(lambda c: c.execute(text("CREATE TABLE big (filling BLOB)")))
    writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    with pytest.raises(NoRoom):
        writer.write_now(_grow)
    writer.close()


_ON_A_FULL_DISK = """
import os, subprocess, sys
from pathlib import Path
from sqlalchemy import text
from boardsync.errors import NoRoom
from boardsync.state.database import open_state

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=True)
state = open_state(disk / "state.db")
state.write_now(lambda c: c.execute(text("CREATE TABLE n (value INTEGER, filling BLOB)")))
told = 0
try:
    while True:
        state.write_now(lambda c: c.execute(text(
            "INSERT INTO n VALUES (1, zeroblob(9000))")))
        told += 1
except NoRoom:
    pass
with state.read() as connection:
    kept = connection.execute(text("SELECT count(*) FROM n")).scalar()
subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
state.write_now(lambda c: c.execute(text("DELETE FROM n")))
state.close()
print(told > 0, told == kept)
"""


def test_on_a_disk_that_is_really_full_nothing_told_is_lost_and_room_heals_it(
    tmp_path: Path,
) -> None:
    assert in_namespace(_ON_A_FULL_DISK, str(tmp_path), mounts=True).split() == ["True", "True"]


def _grow_at(attempt: int) -> Work[int]:
    """Make a function whose disk has room from some attempt on; it returns the attempt."""
    made: list[int] = []

    def work(connection: Connection) -> int:
        made.append(len(made) + 1)
        if made[-1] == attempt:
            connection.execute(text("PRAGMA max_page_count=1000000"))
        _grow(connection)
        return made[-1]

    return work


def test_a_writer_that_waits_for_room_keeps_what_it_was_handed_and_says_so_twice(
    bench: Bench,
) -> None:
    bench.writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    bench.writer.wait_for_room(0.001)
    with logged() as lines:
        handed = bench.together(add(1), _grow_at(9), add(2))

    assert [one.result() for one in handed] == [1, 9, 2]
    assert bench.values() == [1, 2]
    assert [(one["level"], "full" in one["event"]) for one in lines] == [
        ("warning", True), ("info", False),
    ]  # fmt: skip
    with logged() as lines:
        bench.writer.write_now(add(3))
    assert lines == []


def test_a_writer_that_waits_for_room_can_still_be_closed_and_tells_then(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state.db")
    bench.writer.write_now(lambda c: c.execute(text("PRAGMA max_page_count=100")))
    bench.writer.wait_for_room(60.0)
    waiting = threading.Event()

    def grow(connection: Connection) -> None:
        waiting.set()
        _grow(connection)

    full, behind = bench.writer._submit(grow), bench.writer._submit(add(1))
    assert waiting.wait(PATIENCE)
    bench.close()

    with pytest.raises(NoRoom):
        full.result(timeout=0)
    assert behind.result(timeout=0) == 1


def test_waiting_for_room_concerns_no_other_failure(bench: Bench) -> None:
    bench.writer.wait_for_room(60.0)
    first, doubled = bench.together(add(1), add(1))
    assert first.result() == 1
    with pytest.raises(Bug, match="UNIQUE"):
        doubled.result()


_UNTIL_THERE_IS_ROOM = """
import subprocess, sys, threading
from pathlib import Path
from sqlalchemy import text
from boardsync.state.database import open_state

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=True)
state = open_state(disk / "state.db")
state.wait_for_room()
state.write_now(lambda c: c.execute(text("CREATE TABLE n (value INTEGER, filling BLOB)")))
grow = threading.Timer(2.0, subprocess.run, [["mount", "-o", "remount,size=9m", disk]])
grow.start()
for number in range(100):
    state.write_now(lambda c: c.execute(text("INSERT INTO n VALUES (1, zeroblob(20000))")))
grow.join()
with state.read() as connection:
    print(connection.execute(text("SELECT count(*) FROM n")).scalar())
state.close()
"""


def test_on_a_disk_that_is_really_full_whoever_writes_waits_for_room(tmp_path: Path) -> None:
    told = in_namespace(_UNTIL_THERE_IS_ROOM, str(tmp_path), mounts=True)
    assert told.splitlines()[-1] == "100"


async def test_a_caller_that_gives_up_leaves_its_work_whole(bench: Bench) -> None:
    gate = threading.Event()
    held = asyncio.ensure_future(bench.writer.write(lambda _: gate.wait(PATIENCE)))
    given_up = asyncio.ensure_future(bench.writer.write(add(1)))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.set()
    await held
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await bench.writer.write(add(2)) == 2
    assert bench.values() == [1, 2]


async def test_a_failure_that_nobody_waits_for_any_more_is_nobodys(bench: Bench) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    gate = threading.Event()

    def fail(_: Connection) -> None:
        gate.wait(PATIENCE)
        raise LookupError

    given_up = asyncio.ensure_future(bench.writer.write(fail))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    gate.set()
    await bench.writer.write(add(1))
    del given_up
    gc.collect()
    assert complaints == []


def test_a_closed_writer_finishes_what_it_was_handed_and_refuses_the_rest(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state.db")
    handed = [bench.writer._submit(add(value)) for value in range(50)]
    bench.close()
    assert [one.result(timeout=0) for one in handed] == list(range(50))
    with pytest.raises(TryAgain, match="closed"):
        bench.writer.write_now(add(51))
    bench.close()
    assert not bench.writer.alive
    assert bench.values() == list(range(50))


_WRITE_FOR_EVER = """
import sys
from pathlib import Path
from sqlalchemy import text
from boardsync.state.database import open_state

state = open_state(Path(sys.argv[1]))
state.write_now(lambda c: c.execute(text("CREATE TABLE n (value INTEGER UNIQUE)")))
for number in range(1_000_000):
    state.write_now(lambda c: c.execute(text(f"INSERT INTO n VALUES ({number})")))
    print(number, flush=True)
"""


def test_what_was_told_durable_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    writing = subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOR_EVER, path], stdout=subprocess.PIPE, env=os.environ
    )
    with writing:
        assert writing.stdout is not None
        told = [int(next(writing.stdout)) for _ in range(30)]
        writing.kill()
        told += [int(line) for line in writing.stdout.read().splitlines(keepends=True)
                 if line.endswith(b"\n")]  # fmt: skip
    with closing(sqlite3.connect(path)) as db:
        found = [row[0] for row in db.execute("SELECT value FROM n ORDER BY value")]
    # The last one may be durable without having been told.
    assert told == found[: len(told)]
    assert len(found) - len(told) in (0, 1)
