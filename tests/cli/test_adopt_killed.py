"""An adopting process that is killed: the next one goes on, and nothing was lost or doubled."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from boardsync.files.snapshot import stat_of
from boardsync.model import FileStat
from boardsync.plan.settling import is_racy
from cli.place_kit import Place, everything, wait_until

pytestmark = pytest.mark.real

COUNT = 60
SLOW = "limits: {bandwidth_down: 30 kB/s}"
"""So that sixty pictures of noise take two seconds, and a kill meets it at work."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder and a board that was filled by hand with the same pictures."""
    made = Place(tmp_path)
    made.configure(more=SLOW)
    made.fill_by_hand(COUNT)
    # What is hashed within two seconds of its last change is hashed once more, later.
    newest = max((stat_of(path.lstat()) for path in made.folder.iterdir()), key=changed_ns)
    wait_until(lambda: not is_racy(newest, time.time_ns()))
    return made


def changed_ns(stat: FileStat) -> int:
    return max(stat.mtime_ns, stat.ctime_ns)


def asked(place: Place, query: str) -> list[tuple[Any, ...]]:
    """Ask the state file; nothing while it is not there, or not whole yet."""
    try:
        with closing(sqlite3.connect(f"file:{place.state}?mode=ro", uri=True)) as state:
            return state.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def links_in(place: Place) -> dict[bytes, str]:
    return dict(asked(place, "SELECT path, item_id FROM link"))


def killed_at(place: Place, links: int) -> None:
    """Adopt in a process of its own, and kill it as soon as there are so many links."""
    with place.process("adopt", "--yes") as process:
        wait_until(lambda: len(links_in(place)) >= links or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate()
        assert process.returncode == -9


def test_killed_again_and_again_it_links_everything_in_the_end(place: Place) -> None:
    folder, board = everything(place.folder), everything(place.boards / "Board")
    before: dict[bytes, str] = {}
    hashed: list[tuple[Any, ...]] = []
    for at in (1, COUNT // 3, 2 * COUNT // 3):
        killed_at(place, at)
        after = links_in(place)
        assert at <= len(after) < COUNT
        assert before.items() <= after.items()
        # What was hashed is not hashed again.
        assert hashed in ([], _hashed(place))
        before, hashed = after, _hashed(place)

    told = place.json("adopt", "--yes")

    left = COUNT - len(before)
    assert (told["survey"][0]["downloads"], told["mirrors"][0]["linked"]) == (left, left)
    assert _hashed(place) == hashed
    assert links_in(place) == {
        f"{seed}.png".encode(): f"by hand {seed}.png" for seed in range(COUNT)
    }
    [once] = place.json("once")["mirrors"]
    assert (once["uploaded"], once["downloaded"], once["synced"]) == (0, 0, COUNT)
    assert everything(place.folder) == folder
    assert everything(place.boards / "Board") == board


def _hashed(place: Place) -> list[tuple[Any, ...]]:
    return asked(place, "SELECT path, hashed_ns FROM file ORDER BY path")
