"""`boardsync verify`: what it prints, beside a daemon and without one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.place_kit import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.configure(mirror="direction: both")
    for seed in range(3):
        made.picture(f"{seed}.png", seed)
    made.json("once")
    return made


def doubt(place: Place, name: str) -> None:
    """Let the state remember that something else was sent than what the board has."""
    with closing(sqlite3.connect(place.state)) as db, db:
        db.execute(
            "UPDATE link SET sent = ?, recipe = 'fitted' WHERE path = ?",
            (b"\1" * 32, name.encode()),
        )


def test_all_that_is_right_is_counted(place: Place) -> None:
    [told] = place.json("verify")["mirrors"]
    assert (told["linked"], told["checked"], told["same"], told["strayed"]) == (3, 3, 3, [])
    done = place("verify", "--share", "30%")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].split() == ["m", "3", "1", "1", "0", "0", "0", "0"]


def test_what_strayed_is_named_with_what_to_do(place: Place) -> None:
    doubt(place, "1.png")
    done = place("verify", "m")
    assert done.exit_code == 1
    assert "1.png: item 1.png on board" in done.stdout
    assert "`boardsync again PATH` puts it into the trash and sends the file anew" in done.stdout
    assert "1 item on the board not as sent" in place("status").stdout
    assert "not as sent: it is item 1.png" in place("why", str(place.folder / "1.png")).stdout


def test_beside_a_daemon_the_daemon_does_it(place: Place) -> None:
    doubt(place, "1.png")
    with place.daemon():
        [told] = place.json("verify", code=1)["mirrors"]
        assert (told["checked"], told["strayed_count"]) == (3, 1)
        [status] = place.json("status")["mirrors"]
        assert (status["strayed"], status["condition"]) == (1, "incomplete")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--share", "120%"], 2, "'120%'"),
        (["--share", "some"], 2, "'some'"),
        (["nobody"], 78, "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(
    place: Place, arguments: list[str], code: int, words: str
) -> None:
    done = place("verify", *arguments)
    assert done.exit_code == code
    assert words in done.stderr
