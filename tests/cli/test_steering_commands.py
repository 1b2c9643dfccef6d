"""pause, resume and sync, beside a daemon and without one; and a disk below its floor, for real."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.command_kit import command
from cli.place_kit import Place, picture, put, wait_until
from places import in_namespace


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestWithoutADaemon:
    def test_what_is_paused_is_left_alone_and_every_command_says_so(self, place: Place) -> None:
        place.picture("a.png", seed=1)
        place.json("once")
        place.picture("b.png", seed=2)

        told = place("pause", "m")
        assert (told.exit_code, told.stdout[:15]) == (0, "m: paused since")

        once = place("once")
        assert once.exit_code == 0
        assert "m: paused since" in once.stderr
        assert "`--even-paused` does it all the same" in once.stderr
        assert set(place.on_board()) == {"a.png"}
        [mirror] = place.json("status")["mirrors"]
        assert (mirror["condition"], mirror["paused"]["scope"]) == ("paused", "mirror")
        assert "\nm: paused since" in place("status").stdout
        assert "  paused since" in place("why", "a.png").stdout
        plan = place("plan")
        assert "b.png" in plan.stdout
        assert "m: paused since" in plan.stderr

        told = place("resume", "m")
        assert (told.exit_code, told.stdout) == (0, "1 pause ended\nm: not paused\n")
        assert place.json("once")["mirrors"][0]["uploaded"] == 1

    def test_a_server_or_everything_is_paused_for_a_time(self, place: Place) -> None:
        told = place.json("pause", "--server", "shelf", "--for", "1h 30min")
        assert told["mirrors"]["m"].startswith("server 'shelf' is paused since ")
        [mirror] = place.json("status")["mirrors"]
        paused = mirror["paused"]
        assert paused["until_ms"] - paused["since_ms"] == 5_400_000
        told = place.json("pause")
        assert told["mirrors"]["m"].startswith("everything is paused since ")
        assert place.json("resume") == {"mirrors": {"m": None}, "ended": 2}

    def test_whoever_asks_for_it_gets_it_all_the_same(self, place: Place) -> None:
        place.picture("a.png")
        place.json("pause")
        [told] = place.json("once", "--even-paused")["mirrors"]
        assert (told["uploaded"], told["resting"]) == (1, None)
        assert place.json("status")["mirrors"][0]["condition"] == "paused"

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["pause", "x"], 78, "no mirror is called 'x'; there are: m"),
            (["pause", "--server", "x"], 78, "no server is called 'x'; there are: shelf"),
            (["resume", "x"], 78, "no mirror is called 'x'; there are: m"),
            (["pause", "m", "--server", "shelf"], 2, "give either MIRRORS or --server NAME"),
            (["pause", "--for", "soon"], 2, "expected a time such as 30min or 2h"),
            (["pause", "--for", "0s"], 2, "no time at all"),
            (["sync"], 75, "no daemon is running; `boardsync once` does it without one"),
        ],
    )
    def test_what_cannot_be_done_is_told(
        self, place: Place, arguments: list[str], code: int, words: str
    ) -> None:
        result = place(*arguments)
        assert result.exit_code == code
        assert words in result.stderr


class TestBesideADaemon:
    def test_it_pauses_over_a_restart_and_goes_on_when_it_is_resumed(self, place: Place) -> None:
        with place.daemon() as daemon:
            place.picture("a.png", seed=1)
            wait_until(lambda: set(place.on_board()) == {"a.png"}, daemon.told)
            assert "paused since" in place.json("pause", "m")["mirrors"]["m"]
            place.picture("b.png", seed=2)
            [told] = place.json("once")["mirrors"]
            assert (told["paused"], told["good"]) == (True, True)
        with place.daemon() as daemon:
            [mirror] = place.json("status")["mirrors"]
            assert (mirror["condition"], mirror["paused"]["scope"]) == ("paused", "mirror")
            place.picture("c.png", seed=3)
            assert place.json("once")["mirrors"][0]["paused"]
            assert set(place.on_board()) == {"a.png"}
            assert place.json("resume") == {"mirrors": {"m": None}, "ended": 1}
            wait_until(lambda: set(place.on_board()) == {"a.png", "b.png", "c.png"}, daemon.told)

    def test_it_looks_now_and_strangers_are_refused(self, place: Place) -> None:
        place.configure(mirror="watch: polling\n    poll_interval: 1 h")
        with place.daemon() as daemon:
            wait_until(lambda: place.json("status")["mirrors"][0]["scanned_ms"], daemon.told)
            # By its watcher it would be found in an hour.
            place.picture("a.png")
            assert place("sync").stdout == "m: is looked at\n"
            wait_until(lambda: set(place.on_board()) == {"a.png"}, daemon.told)
            for arguments in (["pause", "x"], ["resume", "--server", "x"], ["sync", "x"]):
                result = place(*arguments)
                assert result.exit_code == 78
                assert "is called 'x'; there are: " in result.stderr


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_a_daemon_that_may_not_give_pulled_files_away_does_not_start(place: Place) -> None:
    place.configure(mirror="pull: {owner: 4321}")
    # Whoever runs it, root included: what counts is what the process may do.
    weak = ["setpriv", "--inh-caps=-all"] + ["--bounding-set=-all"] * (os.geteuid() == 0)
    done = subprocess.run(
        [*weak, *command("-c", str(place.config), "run")],
        capture_output=True, text=True, timeout=60, env=place.environment(),
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert "boardsync: mirror 'm': pull.owner is 4321, and this process may not" in done.stderr


_BELOW_THE_FLOOR = """
import subprocess, sys
from pathlib import Path
from cli.place_kit import Place, wait_until

place = Place(Path(sys.argv[1]))
place.configure(more="limits: {free_disk: 8 MiB}")
disk = place.folder / "outputs"
disk.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
filling = disk / "filling"
filling.write_bytes(bytes(12 * 1024**2))
for seed in range(20):
    place.board_picture(f"p{seed}.png", seed=seed)

def told():
    return place.json("status")["mirrors"][0]

with place.daemon() as daemon:
    wait_until(lambda: told()["shortage"], daemon.told)
    place.picture("up.png", seed=99)
    wait_until(lambda: "up.png" in place.on_board(), daemon.told)
    wait_until(lambda: told()["waiting"] == 20, daemon.told)
    print(told()["condition"], told()["waiting"], told()["failing"], told()["shortage"])
    print(len(list(disk.glob("*.png"))), "pulled", daemon.told().count("are to stay so"), "told")
    print("shortage" if "only 4 MiB" in place("status").stdout else place("status").stdout)
    filling.unlink()
    wait_until(lambda: len(list(disk.glob("*.png"))) == 20, daemon.told)
    wait_until(lambda: told()["condition"] == "synced", daemon.told)
    print(told()["shortage"])
"""


@pytest.mark.real
def test_below_the_floor_of_a_real_disk_downloads_wait_and_go_on_by_themselves(
    tmp_path: Path,
) -> None:
    lines = in_namespace(_BELOW_THE_FLOOR, str(tmp_path), mounts=True).splitlines()
    words = f"{tmp_path}/pictures/outputs: only 4 MiB of the disk are free, and 8 MiB are to stay"
    assert lines[0].startswith(f"waiting 20 0 {words} so (`limits.free_disk`)")
    assert lines[1:] == ["0 pulled 1 told", "shortage", "None"]


def test_a_picture_that_is_being_sent_when_it_is_paused_arrives(place: Place) -> None:
    place.configure(server="bandwidth_up: 200 KB/s")
    with place.daemon() as daemon:
        put(place.folder, "large.png", picture(1, (400, 300)))
        wait_until(lambda: "large.png" in place.on_board(), daemon.told)
        # It waits until the bytes of the first are paid for: it has begun.
        place.picture("begun.png", seed=2)
        wait_until(lambda: place.json("status")["mirrors"][0]["under_way"] == 1, daemon.told)
        place.json("pause")
        place.picture("not-begun.png", seed=3)
        wait_until(lambda: "begun.png" in place.on_board(), daemon.told)
        assert place.json("once")["mirrors"][0]["paused"]
        assert set(place.on_board()) == {"large.png", "begun.png"}
