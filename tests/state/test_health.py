"""A state file that is damaged while it is in use: noticed once, remembered, and healed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from boardsync.errors import BoardsyncError, TryAgain
from boardsync.model import FileStat
from boardsync.state import observations, places
from boardsync.state.database import State, open_readonly, open_state
from boardsync.state.health import suspicion_of
from state.state_kit import KEY, logged

FILES = 5000


def fill(state: State, files: int = FILES) -> None:
    found = [(f"{number:06}.png".encode(), FileStat(1, 1, 1, 1)) for number in range(files)]

    def work(connection):
        observations.see_files(connection, places.mirror_id(connection, KEY), found, 1)

    state.write_now(work)


def overwrite(path: Path) -> None:
    """Write over all pages of a file but its first: what a failing disk does."""
    with path.open("rb+") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(4096)
        stream.write(b"\xff" * (size - 4096))


def lose_index_entries(path: Path) -> None:
    """Damage that a quick check does not see: an index that lacks what its table holds."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema=1")
        db.execute("UPDATE sqlite_master SET sql = sql || ' AND 1=0' WHERE name = 'file_unhashed'")
        db.execute("PRAGMA writable_schema=RESET")
        db.execute("REINDEX file_unhashed")
        db.execute("PRAGMA writable_schema=1")
        db.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ' AND 1=0', '')"
            " WHERE name = 'file_unhashed'"
        )
        db.execute("PRAGMA writable_schema=RESET")


def count(state: State) -> int:
    with state.read() as connection:
        return len(list(observations.known_files(connection, 1)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    state = open_state(path)
    fill(state)
    state.close()
    return path


@pytest.fixture
def damaged(path: Path) -> Iterator[State]:
    """A state whose file is damaged after it was opened."""
    state = open_state(path)
    overwrite(path)
    yield state
    state.close()


def test_damage_that_a_reader_meets_is_told_to_whoever_listens_and_once(damaged: State) -> None:
    heard: list[BoardsyncError] = []
    damaged.health.listen(heard.append)
    for _ in range(3):
        with pytest.raises(TryAgain, match="is damaged"):
            count(damaged)
    assert len(heard) == 1
    assert "next start" in str(heard[0])


def test_damage_that_a_writer_meets_is_told_too(damaged: State) -> None:
    heard: list[BoardsyncError] = []
    damaged.health.listen(heard.append)
    with pytest.raises(TryAgain, match="is damaged"):
        fill(damaged, FILES + 1)
    assert len(heard) == 1


def test_whoever_listens_late_is_told_as_well(damaged: State) -> None:
    with pytest.raises(TryAgain):
        count(damaged)
    heard: list[BoardsyncError] = []
    damaged.health.listen(heard.append)
    assert len(heard) == 1


def test_a_sound_state_whose_work_fails_is_not_called_damaged(path: Path) -> None:
    state = open_state(path)
    heard: list[BoardsyncError] = []
    state.health.listen(heard.append)
    with pytest.raises(BoardsyncError):
        state.write_now(lambda c: c.execute(text("SELECT * FROM nowhere")))
    state.close()
    assert heard == []
    assert not suspicion_of(path).exists()


def test_the_next_opening_keeps_it_aside_and_begins_anew(damaged: State) -> None:
    with pytest.raises(TryAgain):
        count(damaged)
    damaged.close()
    with logged() as lines:
        state = open_state(damaged.path)
    assert count(state) == 0
    state.close()
    [told] = [one for one in lines if one["level"] == "error"]
    assert Path(told["kept_as"]).exists()
    assert not suspicion_of(damaged.path).exists()


def test_damage_that_only_a_thorough_look_finds_is_found_once_it_was_met(path: Path) -> None:
    """Otherwise the next start would call it sound, and end in the same way, for ever."""
    lose_index_entries(path)
    state = open_state(path)
    assert count(state) == FILES
    with pytest.raises(TryAgain, match="is damaged"):
        state.write_now(
            lambda c: observations.forget_files(
                c, 1, [f"{number:06}.png".encode() for number in range(FILES)]
            )
        )
    state.close()

    with logged() as lines:
        state = open_state(path)
    assert count(state) == 0
    state.close()
    assert [one["level"] for one in lines] == ["error"]


def test_a_suspicion_that_is_unfounded_costs_a_thorough_look_and_nothing_else(path: Path) -> None:
    suspicion_of(path).touch()
    with logged() as lines:
        state = open_state(path)
    assert count(state) == FILES
    state.close()
    assert lines == []
    assert not suspicion_of(path).exists()


def test_a_reader_beside_the_daemon_leaves_no_suspicion_behind(path: Path) -> None:
    state = open_readonly(path)
    overwrite(path)
    with pytest.raises(TryAgain, match="is damaged"):
        count(state)
    state.close()
    assert not suspicion_of(path).exists()
