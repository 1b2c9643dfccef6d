"""Reloading a real daemon, by signal and by command: transfers under way are sent once."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from cli.place_kit import Place, picture, wait_until
from cli.test_daemon import LARGE, have_one_under_way
from web.test_tcp import free_port


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


def http_says(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=10) as answer:
            return str(json.load(answer)["pid"])
    except OSError as error:
        return str(error)


def test_a_hangup_moves_the_port_adds_an_alarm_and_lowers_the_rate_amid_an_upload(
    place: Place,
) -> None:
    old, new, heard = free_port(), free_port(), place.base / "heard"
    first = f"http: {{listen: {old}}}\nlimits: {{bandwidth_up: 400 KB/s}}"
    place.configure(more=first)
    with place.daemon() as daemon:
        inode = place.socket.stat().st_ino
        have_one_under_way(place, daemon)
        assert http_says(old) == str(daemon.process.pid)
        place.configure(
            more=f"http: {{listen: {new}}}\nlimits: {{bandwidth_up: 1 B/s}}\n"
            f"alarms: {{channels: [{{command: [/bin/sh, -c, 'cat > {heard}']}}]}}"
        )
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: times_told(daemon.told(), "the settings were read again") == 1, daemon.told
        )
        assert http_says(new) == str(daemon.process.pid)
        assert "refused" in http_says(old)
        assert place.socket.stat().st_ino == inode
        assert [one["arrived"] for one in place.json("alarms", "test")["channels"]] == [True]
        assert json.loads(heard.read_text())["event"] == "test"
        # What was to be paid in a few seconds takes days at the new rate.
        time.sleep(3 * len(picture(1, LARGE)) / 400_000)
        assert place.json("status")["mirrors"][0]["under_way"] == 1
        assert set(place.on_board()) == {"first.png"}

        place.configure(more="limits: {bandwidth_up: 50 MB/s}")
        told = place.json("reload")
        assert told["sections"] == ["alarms", "http", "limits"]
        assert told["changed"] == []
        wait_until(lambda: "second.png" in place.on_board(), daemon.told)
        assert "refused" in http_says(new)
        [last] = place.json("once")["mirrors"]
        assert (last["synced"], last["good"]) == (2, True)
        assert sum(one["uploaded"] for one in place.json("history")["runs"]) == 2
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.ends() == 0
    assert place.on_board() == {"first.png": picture(1, LARGE), "second.png": picture(2)}


def test_a_port_that_is_taken_refuses_all_of_it_and_says_so(place: Place) -> None:
    old = free_port()
    place.configure(more=f"http: {{listen: {old}}}")
    with place.daemon() as daemon, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.configure(
            mirror="ignore: ['draft-*']",
            more=f"http: {{listen: {port}}}\nlimits: {{quiet: ['00:00-24:00']}}",
        )
        refused = place("reload")
        assert refused.exit_code == 78
        assert f"127.0.0.1:{port}: the daemon cannot listen there" in refused.stderr
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: times_told(daemon.told(), "the settings were refused; the old ones stay") == 2,
            daemon.told,
        )
        assert http_says(old) == str(daemon.process.pid)
        place.picture("draft-1.png")
        wait_until(lambda: "draft-1.png" in place.on_board(), daemon.told)


def may_come_forward() -> bool:
    """Tell whether this process may raise its priority again, which CAP_SYS_NICE allows."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if "CapEff" in one]
    return bool(int(line.split()[1], 16) >> 23 & 1)


@pytest.mark.skipif(may_come_forward(), reason="this process may raise its priority again")
def test_a_priority_that_is_refused_is_told_and_the_rest_counts(place: Place) -> None:
    place.configure(more="process: {nice: 12}")
    with place.daemon():
        place.configure(more="process: {nice: 3}\nlimits: {transfers_at_once: 2}")
        result = place("reload")
        assert result.exit_code == 1
        assert result.stdout == "in force at once: limits, process\n"
        assert "the processor's priority stays at 12, and not 3" in result.stderr


def test_without_a_daemon_the_command_says_so(place: Place) -> None:
    result = place("reload")
    assert result.exit_code == 75
    assert "no daemon answers" in result.stderr
