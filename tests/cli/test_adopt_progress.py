"""adopt tells how far it is, on a terminal and elsewhere, here and beside a daemon."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from boardsync.cli.at_work import Standing, showing
from cli.command_kit import seen_on_terminal
from cli.place_kit import Place

COUNT = 40
SLOW = "limits: {bandwidth_down: 30 kB/s}"
"""So that forty pictures of noise take a second and a half."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder and a board that was filled by hand with the same pictures."""
    made = Place(tmp_path)
    made.configure(more=SLOW)
    made.fill_by_hand(COUNT)
    return made


def test_a_terminal_shows_how_far_it_is_and_the_result_stays_clean(place: Place) -> None:
    output, shown = seen_on_terminal(
        ("-c", str(place.config), "adopt", "--yes", "--json"), seconds=60
    )
    assert json.loads(output)["mirrors"][0]["linked"] == COUNT
    done = {int(one) for one in re.findall(rf"m: comparing.*?(\d+)/{COUNT}\b", shown)}
    assert any(0 < one < COUNT for one in done), shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"comparing.*\d\.\d/s +\d:\d\d:\d\d", plain), plain


def test_beside_a_daemon_it_shows_what_the_daemon_has_done(place: Place) -> None:
    # Nothing is pulled, and files below `outputs` are not pushed: the daemon leaves both alone.
    (place.folder / "outputs").mkdir()
    for seed in range(COUNT):
        (place.folder / f"{seed}.png").rename(place.folder / "outputs" / f"{seed}.png")
    place.configure(mirror="pull: {since: 2100-01-01}", more=SLOW)
    with place.daemon():
        output, shown = seen_on_terminal(
            ("-c", str(place.config), "adopt", "--yes", "--json"), seconds=60
        )
    assert json.loads(output)["mirrors"][0]["linked"] == COUNT
    done = {int(one) for one in re.findall(rf"m: comparing.*?(\d+)/{COUNT}\b", shown)}
    assert any(0 < one < COUNT for one in done), shown


def test_elsewhere_it_says_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert not sys.stderr.isatty()
    answers = iter(
        [
            {},
            {"mirror": "m", "doing": "looking", "done": 0, "total": None},
            {"mirror": "m", "doing": "comparing", "done": 0, "total": 9},
            {"mirror": "m", "doing": "comparing", "done": 3, "total": 9},
        ]
    )
    asked: list[Standing] = []

    def read() -> Standing:
        asked.append(next(answers, {}))
        return asked[-1]

    with showing(read, line_seconds=0.02):
        _wait(lambda: len(asked) > 4)

    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[:2] == ["m: looking at both sides", "m: comparing: 0 of 9, 0.0/s"]
    assert re.fullmatch(r"m: comparing: 3 of 9, \d+\.\d/s, about \d+ s left", lines[2])
    assert len(lines) == 3


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
