"""`boardsync mend`: the item of a rotten file is fetched, beside a daemon and without one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.place_kit import Place, picture, tree, wait_until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.configure(mirror="direction: both")
    for seed in range(3):
        made.picture(f"{seed}.png", seed)
        # Older than any clock's granularity: what was hashed is known for certain.
        os.utime(made.folder / f"{seed}.png", (1_600_000_000, 1_600_000_000))
    made.json("once")
    return made


def rot(place: Place, name: str) -> None:
    """Change a byte of a file, and let the state believe that no time of it changed."""
    path = place.folder / name
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    with closing(sqlite3.connect(place.state)) as db, db:
        db.execute(
            "UPDATE file SET ctime_ns = ?, hashed_ns = ? WHERE path = ?",
            (path.stat().st_ctime_ns, path.stat().st_ctime_ns + 10**11, name.encode()),
        )


def test_without_a_daemon_the_next_run_mends(place: Place) -> None:
    rot(place, "1.png")
    [told] = place.json("mend", str(place.folder / "1.png"))
    assert told["done"]
    [planned] = place.json("plan")["actions"]
    assert (planned["action"], planned["path"]) == ("download", "1.png")
    assert "mended: the file has rotted" in place("why", str(place.folder / "1.png")).stdout
    assert "the bytes of 1 file changed while nobody wrote there" in place("status").stdout
    [result] = place.json("once")["mirrors"]
    assert (result["uploaded"], result["downloaded"], result["synced"]) == (0, 1, 3)
    assert (place.folder / "1.png").read_bytes() == picture(1)
    assert place.on_board() == {f"{seed}.png": picture(seed) for seed in range(3)}


def test_beside_a_daemon_it_is_mended_at_once(place: Place) -> None:
    rot(place, "2.png")
    with place.daemon() as daemon:
        assert place("mend", str(place.folder / "2.png")).exit_code == 0
        wait_until(lambda: tree(place.folder).get("2.png") == picture(2), daemon.told)
        asked = [str(place.folder / "0.png")]
        wait_until(lambda: place("mend", *asked).exit_code != 75, daemon.told)
        sound = place("mend", *asked)
        assert (sound.exit_code, "nothing to mend" in sound.stdout) == (1, True)
        unknown = place("mend", "nowhere.png")
        assert (unknown.exit_code, "no mirror knows" in unknown.stderr) == (1, True)
