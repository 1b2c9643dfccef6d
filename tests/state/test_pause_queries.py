"""Pauses: what they stop, since when, and that they end by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.state import pauses
from boardsync.state.pauses import ALL, MIRROR, SERVER
from state.state_kit import Small, small


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        yield made


@pytest.mark.parametrize(
    ("scope", "name", "stopped"),
    [
        (ALL, "", {"m on s", "n on s", "m on t"}),
        (SERVER, "s", {"m on s", "n on s"}),
        (MIRROR, "m", {"m on s", "m on t"}),
        (MIRROR, "s", set()),
        (SERVER, "m", set()),
    ],
)
def test_a_pause_stops_all_a_servers_mirrors_or_one(
    here: Small, scope: str, name: str, stopped: set[str]
) -> None:
    here.do(pauses.begin, scope, name, 10, None)
    asked = [("m", "s"), ("n", "s"), ("m", "t")]
    assert stopped == {
        f"{mirror} on {server}"
        for mirror, server in asked
        if here.ask(pauses.pause_of, mirror, server, 11)
    }


def test_it_ends_by_itself_or_never(here: Small) -> None:
    here.do(pauses.begin, MIRROR, "m", 10, 20)
    assert here.ask(pauses.pause_of, "m", "s", 19)
    assert not here.ask(pauses.pause_of, "m", "s", 20)
    here.do(pauses.begin, MIRROR, "m", 30, None)
    told = here.ask(pauses.pause_of, "m", "s", 10**15)
    assert (told.since_ms, told.until_ms) == (30, None)


def test_pausing_again_keeps_since_when_and_takes_the_new_end(here: Small) -> None:
    here.do(pauses.begin, ALL, "", 10, 20)
    here.do(pauses.begin, ALL, "", 15, 40)
    [told] = here.ask(pauses.lasting, 25)
    assert (told.since_ms, told.until_ms) == (10, 40)


def test_the_pause_that_ends_last_is_told(here: Small) -> None:
    here.do(pauses.begin, ALL, "", 10, 20)
    here.do(pauses.begin, SERVER, "s", 11, 40)
    here.do(pauses.begin, MIRROR, "m", 12, 30)
    assert here.ask(pauses.pause_of, "m", "s", 13).scope == SERVER
    here.do(pauses.begin, MIRROR, "m", 14, None)
    assert here.ask(pauses.pause_of, "m", "s", 15).scope == MIRROR


def test_one_or_all_are_ended_and_counted(here: Small) -> None:
    for scope, name in ((ALL, ""), (SERVER, "s"), (MIRROR, "m")):
        here.do(pauses.begin, scope, name, 10, None)
    assert here.do(pauses.end, SERVER, "s") == 1
    assert here.do(pauses.end, SERVER, "s") == 0
    assert [one.scope for one in here.ask(pauses.lasting, 11)] == [ALL, MIRROR]
    assert here.do(pauses.end_all) == 2
    assert here.ask(pauses.lasting, 11) == []


def test_a_clock_that_is_set_back_makes_no_pause_longer(here: Small) -> None:
    here.do(pauses.begin, ALL, "", 2_000, None)
    here.do(pauses.begin, MIRROR, "m", 1_000, 1_050)
    here.do(pauses.begin, SERVER, "s", 90, 200)
    here.do(pauses.begin_anew, 100)
    told = {one.scope: (one.since_ms, one.until_ms) for one in here.ask(pauses.lasting, 100)}
    assert told == {MIRROR: (100, 150), SERVER: (90, 200), ALL: (100, None)}
