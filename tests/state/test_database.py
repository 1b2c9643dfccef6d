"""Opening a state file: readers see the present, damage is kept aside, strangers are left alone."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from boardsync.errors import NeedsPerson, StateTooNew, TryAgain
from boardsync.model import FileStat
from boardsync.state import observations, places
from boardsync.state.backups import take_backup
from boardsync.state.database import (
    State,
    open_readonly,
    open_scratch,
    open_state,
    writing_engine,
)
from boardsync.state.lock import StateLock
from places import shared_folder, unprivileged
from state.state_kit import KEY, logged, opened

FILES = 3000
"""More than a stream fetches at once."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def filled(path: Path) -> Iterator[State]:
    with opened(path) as state:
        fill(state, FILES)
        yield state


def fill(state: State, files: int) -> None:
    found = [(f"{number:06}.png".encode(), FileStat(1, 1, 1, 1)) for number in range(files)]

    def work(connection):
        observations.see_files(connection, places.mirror_id(connection, KEY), found, 1)

    state.write_now(work)


def count(state: State) -> int:
    with state.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM file")).scalar() or 0)


def fail_in_the_middle(stream: Iterator[object]) -> None:
    for _ in stream:
        raise LookupError("in the middle")


class TestReading:
    def test_a_half_read_stream_after_a_failure_does_not_show_the_past_to_the_next(
        self, filled: State
    ) -> None:
        kept: list[BaseException] = []
        for _ in range(20):
            try:
                with filled.read() as connection:
                    fail_in_the_middle(observations.known_files(connection, 1))
            except LookupError as error:
                kept.append(error)  # its traceback keeps the stream's frame alive
        fill(filled, FILES + 1)
        assert {count(filled) for _ in range(20)} == {FILES + 1}
        assert len(kept) == 20

    def test_a_stream_that_nobody_read_to_its_end_does_not_either(self, filled: State) -> None:
        streams = []
        for _ in range(20):
            with filled.read() as connection:
                streams.append(observations.known_files(connection, 1))
                next(streams[-1])
        fill(filled, FILES + 1)
        assert {count(filled) for _ in range(20)} == {FILES + 1}

    def test_one_reading_sees_one_moment(self, filled: State) -> None:
        with filled.read() as connection:
            before = connection.execute(text("SELECT count(*) FROM file")).scalar()
            fill(filled, FILES + 5)
            assert connection.execute(text("SELECT count(*) FROM file")).scalar() == before
        assert count(filled) == FILES + 5

    def test_readers_in_many_threads_do_not_wait_for_one_another(self, filled: State) -> None:
        together = threading.Barrier(8)

        def read() -> None:
            with filled.read() as connection:
                together.wait(timeout=20)
                connection.execute(text("SELECT 1"))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert not together.broken

    def test_a_reader_cannot_write_and_is_told_so_in_our_words(self, filled: State) -> None:
        with pytest.raises(TryAgain, match="readonly"), filled.read() as connection:
            connection.execute(text("DELETE FROM file"))
        assert count(filled) == FILES

    def test_what_lies_open_read_only_cannot_be_written_either(self, filled: State) -> None:
        state = open_readonly(filled.path)
        with pytest.raises(TryAgain, match="readonly"):
            state.write_now(lambda c: c.execute(text("DELETE FROM file")))
        state.close()


class TestOpening:
    @pytest.mark.parametrize("name", ["a b.db", "100%20?mode=ro&x#y.db", "é\udcff.db"])
    def test_any_name_will_do(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        for expected in (0, 2):
            with opened(path) as state:
                assert count(state) == expected
                fill(state, 2)
        assert sorted(os.listdir(tmp_path)) == [name]
        state = open_readonly(path)
        assert count(state) == 2
        state.close()

    def test_a_closed_state_is_one_file_that_holds_everything(self, path: Path) -> None:
        with opened(path, inline=False) as state:
            fill(state, 10)
            assert count(state) == 10
        assert os.listdir(path.parent) == [path.name]

    def test_nobody_else_may_look_into_it(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "state.db"
        with opened(path) as state:
            fill(state, 1)
            modes = {name: (path.parent / name).stat().st_mode for name in os.listdir(path.parent)}
            assert {name: stat.S_IMODE(mode) for name, mode in modes.items()} == dict.fromkeys(
                ["state.db", "state.db-wal", "state.db-shm"], 0o600
            )
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_commits_are_durable_and_every_transaction_begins_as_a_writer(self, path: Path) -> None:
        engine = writing_engine(path)
        with engine.begin() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
            other = sqlite3.connect(path, timeout=0, isolation_level=None)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        engine.dispose()

    @pytest.mark.parametrize("content", [None, b""])
    def test_a_state_that_holds_nothing_yet_is_not_there_for_readers(
        self, path: Path, content: bytes | None
    ) -> None:
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(FileNotFoundError):
            open_readonly(path)

    def test_an_older_schema_is_not_read_but_its_upgrade_is_named(self, path: Path) -> None:
        stamped(path, "0000")
        with pytest.raises(TryAgain, match="upgrades it"):
            open_readonly(path)

    def test_a_place_that_may_not_be_written_needs_a_person(self) -> None:
        with shared_folder() as folder, unprivileged():
            with pytest.raises(NeedsPerson, match="let boardsync's user write"):
                open_state(folder / "state.db")
            assert os.listdir(folder) == []


def stamped(path: Path, revision: str) -> bytes:
    """Make a sound state file that claims another revision; return its bytes."""
    with opened(path) as state:
        fill(state, 3)
        stamp = text("UPDATE alembic_version SET version_num = :revision")
        state.write_now(lambda c: c.execute(stamp, {"revision": revision}))
    return path.read_bytes()


class TestRefusing:
    def test_a_newer_schema_is_refused_and_stays_as_it_is_to_the_byte(
        self, path: Path, tmp_path: Path
    ) -> None:
        content = stamped(path, "9999")
        for open_it in (open_state, open_readonly, lambda p: open_scratch(p, tmp_path)):
            with pytest.raises(StateTooNew, match="newer boardsync"):
                open_it(path)
        assert path.read_bytes() == content

    def test_a_database_of_another_program_is_refused_and_stays_as_it_is(
        self, path: Path, tmp_path: Path
    ) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE images (name)")
        content = path.read_bytes()
        for open_it in (open_state, open_readonly, lambda p: open_scratch(p, tmp_path)):
            with pytest.raises(NeedsPerson, match="another program"):
                open_it(path)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == [path.name]

    def test_a_folder_in_its_place_is_refused_and_not_moved(self, path: Path) -> None:
        path.mkdir()
        (path / "picture.png").write_bytes(b"")
        for open_it in (open_state, open_readonly):
            with pytest.raises((NeedsPerson, TryAgain), match=str(path)):
                open_it(path)
        assert os.listdir(path) == ["picture.png"]

    def test_a_file_that_may_not_be_read_is_not_taken_for_a_damaged_one(self) -> None:
        with shared_folder() as folder:
            path = folder / "state.db"
            with opened(path) as state:
                fill(state, 3)
            folder.chmod(0o777)
            path.chmod(0o600)
            with unprivileged(), pytest.raises(NeedsPerson, match="let boardsync's user write"):
                open_state(path)
            assert os.listdir(folder) == ["state.db"]


def damage_header(content: bytes) -> bytes:
    return b"not a database at all".ljust(100, b".") + content[100:]


def damage_page(content: bytes) -> bytes:
    """Break the root page of a table: what a bad sector does."""
    return content[:8192] + b"\xff" * 4096 + content[12288:]


class TestDamage:
    @pytest.mark.parametrize(
        "damage", [damage_header, damage_page, lambda content: content[:5000], lambda _: b"x" * 99]
    )
    def test_a_damaged_file_is_kept_aside_under_a_name_that_is_told_and_rebuilt(
        self, path: Path, damage
    ) -> None:
        with opened(path) as state:
            fill(state, 50)
        damaged = damage(path.read_bytes())
        path.write_bytes(damaged)

        with logged() as logs, opened(path) as state:
            assert count(state) == 0
            fill(state, 1)

        [told] = [entry for entry in logs if entry["level"] == "error"]
        assert Path(told["kept_as"]).read_bytes() == damaged
        assert Path(told["kept_as"]).parent == path.parent
        with logged() as logs, opened(path) as state:
            assert count(state) == 1
        assert logs == []

    def test_readers_are_told_that_it_is_damaged_and_touch_nothing(
        self, path: Path, tmp_path: Path
    ) -> None:
        path.write_bytes(b"x" * 99)
        for open_it in (open_readonly, lambda p: open_scratch(p, tmp_path)):
            with pytest.raises(TryAgain, match="damaged"):
                open_it(path)
        assert os.listdir(tmp_path) == [path.name]

    @pytest.mark.parametrize(
        "taken",
        ["DROP TABLE failed_reading", "ALTER TABLE run DROP COLUMN planned",
         "DROP TRIGGER file_added", "DROP INDEX item_by_token", "DROP INDEX transfer_one_upload"],
    )  # fmt: skip
    def test_one_that_something_was_taken_from_is_kept_aside_and_rebuilt(
        self, path: Path, tmp_path: Path, taken: str
    ) -> None:
        with opened(path) as state:
            fill(state, 5)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(taken)
        part = taken.split()[-1]
        for open_it in (open_readonly, lambda p: open_scratch(p, tmp_path)):
            with pytest.raises(TryAgain, match=f"damaged .*{part}"):
                open_it(path)
        with pytest.raises(TryAgain, match=part):
            take_backup(path, tmp_path / "backup.db")

        with logged() as logs, opened(path) as state:
            assert count(state) == 0
        [told] = [entry for entry in logs if entry["level"] == "error"]
        assert part in told["complaint"]
        with closing(sqlite3.connect(told["kept_as"])) as db:
            assert db.execute("SELECT count(*) FROM file").fetchone() == (5,)

    def test_its_log_is_kept_beside_it(self, path: Path) -> None:
        path.write_bytes(b"x" * 99)
        path.with_name("state.db-wal").write_bytes(b"its log")
        with logged() as logs, opened(path):
            pass
        kept = Path(logs[0]["kept_as"])
        assert kept.with_name(kept.name + "-wal").read_bytes() == b"its log"


class TestScratch:
    def test_a_scratch_copy_holds_the_same_and_what_is_done_to_it_stays_there(
        self, path: Path, tmp_path: Path
    ) -> None:
        with opened(path) as state:
            fill(state, 3)
        content = path.read_bytes()
        directory = tmp_path / "scratch"
        directory.mkdir()

        scratch = open_scratch(path, directory)
        assert count(scratch) == 3
        fill(scratch, 7)
        assert count(scratch) == 7
        scratch.close()

        assert path.read_bytes() == content
        assert set(os.listdir(tmp_path)) <= {"state.db", "state.db-wal", "state.db-shm", "scratch"}

    def test_it_can_be_made_beside_a_daemon_that_writes(self, path: Path, tmp_path: Path) -> None:
        directory = tmp_path / "scratch"
        directory.mkdir()
        with StateLock(path), opened(path, inline=False) as state:
            fill(state, 3)
            scratch = open_scratch(path, directory)
            fill(state, 5)
            assert (count(scratch), count(state)) == (3, 5)
            scratch.close()

    def test_a_missing_original_gives_an_empty_one(self, path: Path, tmp_path: Path) -> None:
        directory = tmp_path / "scratch"
        directory.mkdir()
        scratch = open_scratch(path, directory)
        assert count(scratch) == 0
        scratch.close()
        assert not path.exists()
