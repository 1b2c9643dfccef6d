"""The daemon as a process: it mirrors live, answers on its socket, and stops without losing."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.place_kit import Daemon, Place, picture, put, wait_until

LARGE = (400, 300)
"""Noise does not compress: some 360 kB."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Daemon]]:
    """One daemon for all tests that leave it running."""
    place = Place(tmp_path_factory.mktemp("daemon"))
    place.picture("first.png", seed=100)
    with place.daemon() as daemon:
        wait_until(lambda: "first.png" in place.on_board(), daemon.told)
        yield place, daemon


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestLive:
    def test_its_socket_is_its_owners_alone(self, running: tuple[Place, Daemon]) -> None:
        place, _ = running
        told = place.socket.stat()
        assert stat.S_ISSOCK(told.st_mode)
        assert stat.S_IMODE(told.st_mode) == 0o600
        assert stat.S_IMODE(place.state.parent.stat().st_mode) == 0o700

    def test_a_file_that_is_dropped_is_on_the_board_soon(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, daemon = running
        content = place.picture("sub/dropped.png", seed=101)
        wait_until(lambda: place.on_board().get("sub/dropped.png") == content, daemon.told)

    def test_a_picture_put_on_the_board_comes_down_and_is_not_sent_back(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, daemon = running
        content = place.board_picture("output.png", seed=102)
        pulled = place.folder / "outputs" / "output.png"
        wait_until(pulled.exists, daemon.told)
        assert pulled.read_bytes() == content
        before = set(place.on_board())
        assert place.json("once")["mirrors"][0]["uploaded"] == 0
        assert set(place.on_board()) == before

    def test_status_comes_from_the_daemon_itself(self, running: tuple[Place, Daemon]) -> None:
        place, daemon = running
        told = place.json("status")
        assert told["daemon"]["pid"] == daemon.process.pid
        [mirror] = told["mirrors"]
        assert (mirror["mirror"], mirror["under_way"]) == ("m", 0)
        assert mirror["watcher"]["watching"] == "native"
        text = place("status").stdout
        assert text.startswith(f"daemon: running (process {daemon.process.pid})")

    def test_once_beside_the_daemon_is_done_by_the_daemon(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, daemon = running
        content = place.picture("asked.png", seed=103)
        [told] = place.json("once", "m")["mirrors"]
        assert (told["good"], told["left"], told["trouble"]) == (True, 0, None)
        assert place.on_board()["asked.png"] == content
        [newest] = place.json("history", "--limit", "1")["runs"]
        # Whoever was first to see the file, the watcher or the question, it was one process.
        assert newest["uploaded"] == 1
        assert place.pid() == daemon.process.pid

    def test_what_stands_refused_is_counted_by_each_once_and_fails_none(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, _ = running
        place.picture("torn.png", content=picture(105)[:-20])
        for _ in range(2):
            [told] = place.json("once")["mirrors"]
            assert (told["refused"], told["good"]) == (1, True)
        (place.folder / "torn.png").unlink()
        assert place.json("once")["mirrors"][0]["refused"] == 0

    def test_why_history_and_again_work_beside_it(self, running: tuple[Place, Daemon]) -> None:
        place, _ = running
        [why] = [one for one in place.json("why", "first.png") if "path" in one]
        assert why["verdict"] == "synced: it is item first.png"
        [link] = why["links"]
        assert (link["state"], link["made"]) == ("agreed", "push")
        details = place.json("history", str(link["run"]))
        assert "first.png" in [one["path"] for one in details["links"]]
        assert place.json("again", "first.png") == {"m": ["the file is looked at again"]}
        place.json("again", "no such picture.png", code=1)

    def test_names_that_are_no_text_pass_through_the_socket(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, daemon = running
        put(place.folder, b"latin\xe9\n\x1b[31m.png", picture(104))
        name = os.fsdecode(b"latin\xe9\n\x1b[31m.png")
        wait_until(lambda: name in place.on_board(), daemon.told)
        absolute = str(place.folder / name)
        assert place.json("again", absolute) == {"m": ["the file is looked at again"]}
        place.json("status")
        assert place.json("once")["mirrors"][0]["good"]

    def test_a_stranger_of_a_mirror_is_named_and_the_known_ones_listed(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, _ = running
        result = place("once", "nobody")
        assert result.exit_code == 78
        assert result.stderr == "boardsync: no mirror is called 'nobody'; there are: m\n"
        assert result.stdout == ""

    def test_plan_beside_it_has_nothing_left_to_do(self, running: tuple[Place, Daemon]) -> None:
        place, daemon = running
        wait_until(lambda: place.json("plan")["actions"] == [], daemon.told)

    def test_a_second_daemon_on_the_same_state_is_refused(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, daemon = running
        code, said = place.refused("run")
        assert code == 75
        assert said.count("\n") == 1
        assert f"in use by another boardsync (process {daemon.process.pid})" in said
        assert place.pid() == daemon.process.pid

    def test_a_daemon_with_another_state_does_not_take_its_socket(
        self, running: tuple[Place, Daemon], tmp_path: Path
    ) -> None:
        place, daemon = running
        other = Place(tmp_path)
        other.configure(more=f"socket: {place.socket}")
        code, said = other.refused("run")
        assert code == 1
        assert "another boardsync, with another state, listens there" in said
        assert place.pid() == daemon.process.pid


def have_one_under_way(place: Place, daemon: Daemon) -> None:
    """Run up a debt of bytes with one picture, so that the next waits on its way to the board."""

    def told(key: str) -> int:
        return int(place.json("status")["mirrors"][0][key])

    place.picture("first.png", content=picture(1, LARGE))
    wait_until(lambda: told("synced") == 1 and told("under_way") == 0, daemon.told)
    place.picture("second.png", seed=2)
    wait_until(lambda: told("under_way") == 1, daemon.told)


class TestEnding:
    def test_sigterm_lets_what_is_under_way_finish(self, place: Place) -> None:
        place.configure(server="bandwidth_up: 200 KB/s")
        with place.daemon() as daemon:
            have_one_under_way(place, daemon)
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.ends() == 0
        assert place.on_board()["second.png"] == picture(2)
        assert sorted(os.listdir(place.state.parent)) == ["state.db", "state.db.lock"]
        told = place.json("status")
        assert (told["daemon"], told["mirrors"][0]["synced"]) == (None, 2)

    def test_a_second_sigterm_ends_it_at_once_and_nothing_is_lost_or_doubled(
        self, place: Place
    ) -> None:
        place.configure(server="bandwidth_up: 2 KB/s")
        with place.daemon() as daemon:
            have_one_under_way(place, daemon)
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: '"stopping"' in daemon.told(), daemon.told)
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.ends(5) == -signal.SIGTERM
        assert set(place.on_board()) == {"first.png"}
        place.configure()
        assert place.json("once")["mirrors"][0]["synced"] == 2
        assert set(place.on_board()) == {"first.png", "second.png"}

    def test_a_killed_daemon_leaves_nothing_in_the_way_of_the_next(self, place: Place) -> None:
        place.picture("a.png")
        with place.daemon() as daemon:
            wait_until(lambda: "a.png" in place.on_board(), daemon.told)
        assert place.socket.exists()
        # The socket is dead, so the command asks the state.
        assert place.json("status")["daemon"] is None
        with place.daemon() as daemon:
            assert place.pid() == daemon.process.pid
            assert place.json("once")["mirrors"][0]["synced"] == 1
        assert list(place.on_board()) == ["a.png"]

    def test_somebody_who_waits_for_a_pass_does_not_hold_up_its_end(self, place: Place) -> None:
        place.configure(quiet="30 s")
        place.picture("torn.png", content=picture(1)[:-20])
        with place.daemon() as daemon, socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(place.socket))
            asking.sendall(
                b"POST /once HTTP/1.1\r\nHost: boardsync\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\n\r\n{}"
            )
            wait_until(lambda: place.json("status")["mirrors"][0]["settling"] > 0, daemon.told)
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.ends(10) == 0
            answer = asking.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"boardsync is stopping" in answer
            assert "error" not in daemon.told()


class TestUnusual:
    def test_a_socket_that_hangs_up_is_told_and_is_not_taken_for_no_daemon(
        self, place: Place
    ) -> None:
        place.socket.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(place.socket))
            listening.listen()

            def hang_up() -> None:
                listening.accept()[0].close()

            hanging_up = threading.Thread(target=hang_up)
            hanging_up.start()
            result = place("once")
            hanging_up.join()
        assert result.exit_code == 75
        assert "the daemon did not answer" in result.stderr
        assert not place.state.exists()

    def test_a_file_in_the_place_of_the_socket_is_not_removed(self, place: Place) -> None:
        place.socket.parent.mkdir()
        place.socket.write_bytes(b"a picture, perhaps")
        code, said = place.refused("run")
        assert code == 1
        assert f"{place.socket}: is there and no socket" in said
        assert place.socket.read_bytes() == b"a picture, perhaps"

    def test_without_a_socket_the_daemon_mirrors_and_commands_ask_the_state(
        self, place: Place
    ) -> None:
        place.configure(more="socket: null")
        place.picture("a.png")
        with place.process("run") as process:
            wait_until(lambda: "a.png" in place.on_board())
            told = place.json("status")
            refused = place("once")
            process.terminate()
            assert process.wait(timeout=20) == 0
        assert told["daemon"] is None
        assert refused.exit_code == 75
        assert f"(process {process.pid})" in refused.stderr
