"""Reloading a real daemon, by signal and by command: transfers under way are sent once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from cli.place_kit import Place, picture, wait_until
from cli.test_daemon import have_one_under_way


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def times_told(log: str, event: str) -> int:
    return sum(json.loads(line)["event"] == event for line in log.splitlines())


def test_a_hangup_during_a_slow_upload_applies_the_settings_and_sends_it_once(
    place: Place,
) -> None:
    place.configure(server="bandwidth_up: 200 KB/s")
    with place.daemon() as daemon:
        have_one_under_way(place, daemon)
        place.configure(server="bandwidth_up: 200 KB/s", mirror="ignore: ['draft-*']")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: times_told(daemon.told(), "the settings were read again") == 1, daemon.told
        )
        assert place.on_board()["second.png"] == picture(2)
        place.picture("draft-1.png", seed=3)
        place.picture("third.png", seed=4)
        wait_until(lambda: "third.png" in place.on_board(), daemon.told)
        [told] = place.json("once")["mirrors"]
        assert (told["synced"], told["good"]) == (3, True)
        runs = place.json("history")["runs"]
        assert sum(one["uploaded"] for one in runs) == 3
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.ends() == 0
    assert set(place.on_board()) == {"first.png", "second.png", "third.png"}


def test_the_command_tells_what_changed_and_what_was_refused(place: Place) -> None:
    with place.daemon() as daemon:
        assert place.json("reload")["changed"] == []
        place.configure(mirror="ignore: ['draft-*']")
        assert place("reload").stdout == "mirrors that are set up anew: m\n"

        sound = place.config.read_text()
        place.config.write_text(sound.replace("direction", "dirction").replace("ignore", "ignor"))
        refused = place("reload")
        assert refused.exit_code == 78
        assert f"{place.config}:13:5: mirrors[0].ignor" in refused.stderr
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the settings were refused" in daemon.told(), daemon.told)
        [line] = [one for one in daemon.told().splitlines() if "were refused" in one]
        assert f"{place.config}:13:5: mirrors[0].ignor" in json.loads(line)["reason"]

        place.config.write_text(sound + f"\nsocket: {place.socket}x\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "needs a restart" in daemon.told(), daemon.told)
        place.config.write_text(sound)
        place.picture("on.png")
        wait_until(lambda: "on.png" in place.on_board(), daemon.told)


def test_a_changed_level_of_the_log_is_there_at_once(place: Place) -> None:
    with place.daemon() as daemon:
        assert '"level": "debug"' not in daemon.told()
        place.configure(more="log: {level: debug}\nschedule: {database_check_every: 2 s}")
        place.json("reload")
        wait_until(lambda: '"level": "debug"' in daemon.told(), daemon.told)


def test_without_a_daemon_the_command_says_so(place: Place) -> None:
    result = place("reload")
    assert result.exit_code == 75
    assert "no daemon answers" in result.stderr
