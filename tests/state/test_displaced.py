"""A state file that is taken away, or replaced, while it is in use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from boardsync.errors import BoardsyncError, TryAgain
from boardsync.state.copies import check_integrity, copy_database
from boardsync.state.database import State, open_state
from state.state_kit import opened


def count(state: State) -> int:
    with state.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pause")).scalar_one())


def pause(state: State, name: str) -> None:
    row = {"name": name}
    insert = text("INSERT INTO pause (scope, name, since_ms) VALUES ('mirror', :name, 1)")
    state.write_now(lambda connection: connection.execute(insert, row))


@pytest.fixture(params=[True, False], ids=["inline", "threaded"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A state with one row, in use."""
    state = open_state(tmp_path / "kept" / "state.db", inline=request.param)
    pause(state, "first")
    yield state
    state.close()


def test_nothing_is_read_from_or_written_to_a_state_that_was_taken_away(state: State) -> None:
    heard: list[BoardsyncError] = []
    state.health.listen(heard.append)
    state.path.unlink()

    with pytest.raises(TryAgain, match="was taken away while it was in use"):
        count(state)
    with pytest.raises(TryAgain, match="was taken away while it was in use"):
        pause(state, "second")

    assert len(heard) == 1


@pytest.mark.parametrize("folder", [False, True])
def test_what_was_in_use_is_put_back_at_the_end(state: State, folder: bool) -> None:
    if folder:
        shutil.rmtree(state.path.parent)
    else:
        state.path.unlink()

    state.close()

    assert check_integrity(state.path, thorough=True) is None
    assert state.path.stat().st_mode & 0o777 == 0o600
    assert not list(state.path.parent.glob("state.db.replaced-*"))
    with opened(state.path) as again:
        assert count(again) == 1


def test_another_file_in_its_place_stays_as_it_is_and_what_was_in_use_is_kept(
    state: State,
) -> None:
    old = state.path.with_name("old.db")
    copy_database(state.path, old)
    before = old.read_bytes()
    pause(state, "second")
    old.replace(state.path)

    with pytest.raises(TryAgain, match="another file was put in the place of the state"):
        count(state)
    state.close()

    assert state.path.read_bytes() == before
    assert not state.path.with_name("state.db-wal").exists()
    [kept] = state.path.parent.glob("state.db.replaced-*")
    with opened(kept) as mine, opened(state.path) as other:
        assert (count(mine), count(other)) == (2, 1)


def test_a_state_in_its_place_is_left_alone(state: State) -> None:
    pause(state, "second")
    assert count(state) == 2
    state.close()
    assert not list(state.path.parent.glob("*replaced*"))
