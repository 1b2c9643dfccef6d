"""A machine that systemd booted, our wheel installed into it, and a real InvokeAI to mirror to.

What systemd says is what is held against our words: ready, running, killed, hung, refused.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.place_kit import picture, put
from real.invokeai_server import RealInvokeAI, free_port
from system import rootfs
from system.machine import Machine
from system.tools import demand

pytestmark = pytest.mark.real

UNIT = "boardsync.service"
SETTINGS = """\
servers:
  studio:
    kind: invokeai
    url: {url}
schedule: {{listing_poll_max: 2 s}}
mirrors:
  - name: Pictures
    id: machine
    folder: /srv/pictures
    server: studio
    board: {board}
    settle: {{quiet: 0 s, quiet_uncertain: 0 s, rewrite: 0 s}}
"""
DOOR = {
    "door.socket": "[Socket]\nListenStream=127.0.0.1:{port}\n[Install]\nWantedBy=sockets.target\n",
    "door.service": "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:{server}\n",
}
"""The way to the server, which can be closed: the machine sees a server that is away."""
QUICK = "[Service]\nWatchdogSec=3s\nRestartSec=2s\n"
"""A machine with less patience: the tests wait for what it does."""
WORST = 2.0
"""Exposure, as systemd counts it."""


class Daemon:
    """boardsync as the service of a machine, with a board of its own."""

    def __init__(self, machine: Machine, server: RealInvokeAI) -> None:
        self.machine = machine
        self.server = server
        self.folder = machine.root / "srv/pictures"
        self.settings = machine.root / "etc/boardsync/config.yaml"
        self.board = f"Board {os.getpid()}"
        self._door = free_port()

    def configure(self) -> None:
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_text(
            SETTINGS.format(url=f"http://127.0.0.1:{self._door}", board=self.board)
        )

    def build_door(self) -> None:
        for name, text in DOOR.items():
            unit = self.machine.root / "etc/systemd/system" / name
            unit.write_text(text.format(port=self._door, server=self.server.port))
        self.machine("systemctl", "enable", "--now", "door.socket")

    @contextmanager
    def closed_door(self) -> Iterator[None]:
        """Keep the server away for a while."""
        self.machine("systemctl", "stop", "door.socket", "door.service")
        try:
            yield
        finally:
            self.machine("systemctl", "start", "door.socket")

    def told(self) -> dict[str, str]:
        return self.machine.told(UNIT)

    def logged(self, words: str) -> bool:
        return words in self.machine.journal(UNIT)

    def on_board(self) -> int:
        """Return how many pictures the server has on the board."""
        boards: list[dict[str, Any]] = self.server.request("GET", "/boards/?all=true")
        return sum(b["image_count"] + b["asset_count"] for b in boards
                   if b["board_name"] == self.board)  # fmt: skip

    def send(self, seed: int) -> None:
        """Drop a picture into the folder."""
        put(self.folder, f"{seed}.png", picture(seed))

    def arrived(self) -> bool:
        """Tell whether each picture of the folder is on the board, once."""
        wanted = len(list(self.folder.glob("*.png")))
        assert self.on_board() <= wanted
        return self.on_board() == wanted

    def runs(self) -> bool:
        """Tell whether it is ready, or ready again."""
        told = self.told()
        return (told["ActiveState"], told["SubState"]) == ("active", "running")


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, invokeai: RealInvokeAI
) -> Iterator[Daemon]:
    """The service, set up by its own command and started."""
    demand("mmdebstrap", "systemd-nspawn")
    base = tmp_path_factory.mktemp("machine")
    with rootfs.mounted(base, rootfs.debian(), rootfs.with_dependencies()) as root:
        rootfs.install(root, rootfs.carried(root, wheel))
        machine = Machine(root, base / "console.log")
        machine.boot()
        try:
            daemon = Daemon(machine, invokeai)
            daemon.build_door()
            daemon.configure()
            daemon.folder.mkdir()
            quick = root / f"etc/systemd/system/{UNIT}.d/quick.conf"
            quick.parent.mkdir(parents=True)
            quick.write_text(QUICK)
            machine("boardsync", "service", "install")
            machine("chown", "boardsync:", "/srv/pictures")
            machine("boardsync", "service", "install", "--now")
            daemon.send(1)
            machine.wait(daemon.arrived, "the first picture on the board")
            yield daemon
        finally:
            machine.shut_down()


@pytest.fixture
def running(daemon: Daemon) -> Daemon:
    """The service as it should be, whatever a test before did."""
    daemon.machine.wait(daemon.runs, "the service")
    return daemon


class TestSetUp:
    def test_it_is_ready_and_says_what_it_does(self, running: Daemon) -> None:
        told = running.told()
        assert (told["Type"], told["NotifyAccess"]) == ("notify", "main")
        assert (told["UnitFileState"], told["Result"]) == ("enabled", "success")
        assert told["StatusText"] == "watching Pictures"
        assert told["WatchdogUSec"] == "3s"

    def test_setting_it_up_again_changes_nothing(self, running: Daemon) -> None:
        pid = running.told()["MainPID"]
        said = running.machine("boardsync", "service", "install", "--now")
        assert "is set up already" in said
        assert running.told()["MainPID"] == pid

    def test_status_tells_both_sides(self, running: Daemon) -> None:
        said = running.machine("boardsync", "service", "status")
        assert re.search(r"ActiveState +active", said)
        assert re.search(r"Pictures +(synced|working)", said), said

    def test_a_command_finds_the_daemon_of_the_system(self, running: Daemon) -> None:
        pid = running.told()["MainPID"]
        for account in (["runuser", "-u", "boardsync", "--"], []):
            said = running.machine(*account, "boardsync", "status")
            assert said.startswith(f"daemon: running (process {pid})"), said

    def test_systemd_finds_little_that_it_could_do_harm_with(self, running: Daemon) -> None:
        said = running.machine("systemd-analyze", "security", "--no-pager", UNIT)
        found = re.search(r"Overall exposure level for boardsync.service: ([0-9.]+)", said)
        assert found is not None, said
        assert float(found[1]) <= WORST

    def test_it_writes_to_the_folders_of_its_settings_and_to_nothing_else(
        self, running: Daemon
    ) -> None:
        enter = ("nsenter", f"--target={running.told()['MainPID']}", "--mount", "touch")
        for place in ("/srv/pictures/.x", "/var/lib/boardsync/x", "/var/cache/boardsync/x"):
            running.machine(*enter, place)
        for place in ("/srv/x", "/etc/x", "/var/lib/x", "/root/x", "/usr/x"):
            assert "Read-only file system" in running.machine(*enter, place, code=1)

    def test_what_the_server_makes_comes_down(self, running: Daemon) -> None:
        boards = running.server.request("GET", "/boards/?all=true")
        [board] = [one["board_id"] for one in boards if one["board_name"] == running.board]
        name = running.server.generate(board)
        pulled = running.folder / "outputs" / name
        running.machine.wait(pulled.exists, "the output")
        running.server.request("DELETE", f"/images/i/{name}")


class TestTrouble:
    def test_a_killed_one_is_started_again_and_goes_on(self, running: Daemon) -> None:
        before = running.told()
        running.machine("sh", "-c", f"kill -KILL {before['MainPID']}")
        running.send(2)
        running.machine.wait(lambda: running.told()["NRestarts"] > before["NRestarts"], "a restart")
        running.machine.wait(running.runs, "the service")
        running.machine.wait(running.arrived, "the picture")
        said = running.machine.journal(UNIT)
        assert "Main process exited, code=killed, status=9/KILL" in said
        assert "Failed with result 'signal'" in said

    def test_one_that_hangs_is_killed_and_started_again(self, running: Daemon) -> None:
        before = running.told()
        running.machine("sh", "-c", f"kill -STOP {before['MainPID']}")
        running.send(3)
        running.machine.wait(lambda: running.told()["NRestarts"] > before["NRestarts"], "a restart")
        running.machine.wait(running.runs, "the service")
        running.machine.wait(running.arrived, "the picture")
        said = running.machine.journal(UNIT)
        assert "Watchdog timeout (limit 3s)!" in said
        assert "Failed with result 'watchdog'" in said
        assert "Fatal Python error: Aborted" in said  # and the stacks of all threads

    def test_one_that_works_is_left_alone_by_the_watchdog(self, running: Daemon) -> None:
        before = running.told()
        fed = int(before["WatchdogTimestampMonotonic"])
        running.machine.wait(
            lambda: int(running.told()["WatchdogTimestampMonotonic"]) > fed + 6_000_000,
            "two times its patience",
        )
        after = running.told()
        assert (after["NRestarts"], after["MainPID"]) == (before["NRestarts"], before["MainPID"])

    def test_a_server_that_is_away_is_told_and_waited_for(self, running: Daemon) -> None:
        before = running.told()
        with running.closed_door():
            running.send(4)
            running.machine.wait(
                lambda: "cannot be reached" in running.told()["StatusText"], "STATUS"
            )
            assert running.told()["StatusText"].startswith("Pictures waits: server studio ")
        running.machine.wait(running.arrived, "the picture")
        running.machine.wait(
            lambda: running.told()["StatusText"] == "watching Pictures", "all is well"
        )
        after = running.told()
        assert (after["NRestarts"], after["MainPID"]) == (before["NRestarts"], before["MainPID"])

    def test_a_reload_takes_new_settings_over_and_refuses_bad_ones(self, running: Daemon) -> None:
        before = running.told()
        try:
            for text, said in (
                (running.settings.read_text() + "log: {level: debug}\n", "were read again"),
                ("mirors: []\n", "the settings were refused; the old ones stay"),
            ):
                running.settings.write_text(text)
                running.machine("systemctl", "reload", UNIT)
                running.machine.wait(partial(running.logged, said), said)
                running.machine.wait(running.runs, "ready again")
        finally:
            running.configure()
            running.machine("systemctl", "reload", UNIT)
        after = running.told()
        assert (after["MainPID"], after["NRestarts"]) == (before["MainPID"], before["NRestarts"])
        assert "Reloaded boardsync.service" in running.machine.journal(UNIT)

    def test_wrong_settings_are_refused_and_not_tried_again(self, running: Daemon) -> None:
        running.settings.write_text("mirors: []\n")
        try:
            running.machine("systemctl", "restart", UNIT, code=1)
            told = running.told()
            assert (told["ActiveState"], told["Result"]) == ("failed", "exit-code")
            assert told["ExecMainStatus"] == "78"
            tries = told["NRestarts"]
            time.sleep(3)  # longer than RestartSec: nothing happens
            told = running.told()
            assert (told["ActiveState"], told["NRestarts"]) == ("failed", tries)
            said = running.machine.journal(UNIT)
            assert "/etc/boardsync/config.yaml:1:1: mirors: " in said
            assert "did you mean 'mirrors'?" in said
            assert "ActiveState" in running.machine("boardsync", "service", "status", code=1)
        finally:
            running.configure()
            running.machine("systemctl", "start", UNIT)
        assert running.runs()


class TestPasswords:
    """What is root's alone reaches the service by systemd, as a credential."""

    TOKEN = "correct-horse-battery-staple"

    def ask(self, port: int, token: str) -> int:
        """Ask for a pass over TCP; return the status."""
        return httpx.post(
            f"http://127.0.0.1:{port}/once", json={}, timeout=60,
            headers={"authorization": f"Bearer {token}"},
        ).status_code  # fmt: skip

    def test_a_credential_is_read_by_the_service_and_by_nobody_else(self, running: Daemon) -> None:
        machine, port = running.machine, free_port()
        secret = running.settings.with_name("http-token")
        secret.write_text(f"{self.TOKEN}\n")
        secret.chmod(0o600)
        drop_in = machine.root / f"etc/systemd/system/{UNIT}.d/credential.conf"
        http = f"http: {{listen: {port}, token: {{credential: http-token}}}}\n"
        try:
            running.settings.write_text(running.settings.read_text() + http)
            machine("systemctl", "restart", UNIT, code=1)
            assert running.told()["ExecMainStatus"] == "78"
            assert "The systemd credential http-token cannot be read" in machine.journal(UNIT)

            drop_in.write_text("[Service]\nLoadCredential=http-token:/etc/boardsync/http-token\n")
            machine("systemctl", "daemon-reload")
            machine("systemctl", "restart", UNIT)
            assert self.ask(port, self.TOKEN) == 200
            assert self.ask(port, "another-token-of-this-length") == 401
            inside = ("runuser", "-u", "boardsync", "--", "cat", "/etc/boardsync/http-token")
            assert "Permission denied" in machine(*inside, code=1)
            assert self.TOKEN not in machine.journal(UNIT)
        finally:
            drop_in.unlink(missing_ok=True)
            secret.unlink()
            running.configure()
            machine("systemctl", "daemon-reload")
            machine("systemctl", "restart", UNIT)
        assert running.runs()


class TestOthers:
    def test_an_instance_has_settings_state_and_socket_of_its_own(self, running: Daemon) -> None:
        machine = running.machine
        for place in ("srv/art", "srv/boards"):
            (machine.root / place).mkdir()
        machine("chown", "boardsync:", "/srv/art", "/srv/boards")
        put(machine.root / "srv/art", "a.png", picture(10))
        running.settings.with_name("art.yaml").write_text(
            "servers:\n  shelf: {kind: directory, path: /srv/boards}\n"
            "mirrors:\n  - {name: Art, id: art, folder: /srv/art, server: shelf, board: Art}\n"
        )
        machine("boardsync", "service", "install", "--instance", "art", "--now")
        board = machine.root / "srv/boards/Art/a.png"
        machine.wait(board.exists, "the picture")
        said = machine("boardsync", "-c", "/etc/boardsync/art.yaml", "status")
        pid = machine.told("boardsync@art.service")["MainPID"]
        assert said.startswith(f"daemon: running (process {pid})")
        assert (machine.root / "var/lib/boardsync/art/state.db").exists()
        machine("boardsync", "service", "uninstall", "--instance", "art")
        assert board.exists()
        assert (machine.root / "var/lib/boardsync/art/state.db").exists()
        assert running.runs()

    def test_a_person_s_own_service_runs_with_their_rights(self, running: Daemon) -> None:
        machine = running.machine
        machine("useradd", "--create-home", "--uid", "1000", "ann")
        machine("loginctl", "enable-linger", "ann")
        machine.wait(lambda: machine.told("user@1000.service")["ActiveState"] == "active", "ann")
        ann = (
            "runuser",
            "-u",
            "ann",
            "--",
            "env",
            "XDG_RUNTIME_DIR=/run/user/1000",
            "HOME=/home/ann",
        )
        machine(*ann, "boardsync", "init", "--folder", "/home/ann/pictures", "--server",
                "/home/ann/boards", "--board", "Mine", "--direction", "both")  # fmt: skip
        put(machine.root / "home/ann/pictures", "a.png", picture(11))
        machine("chown", "-R", "ann:", "/home/ann/pictures")
        machine(*ann, "boardsync", "service", "install", "--now")
        machine.wait((machine.root / "home/ann/boards/Mine/a.png").exists, "the picture")
        assert "ActiveState" in machine(*ann, "boardsync", "service", "status")
        said = machine(*ann, "boardsync", "service", "uninstall")
        assert "Removed /home/ann/.config/systemd/user/boardsync.service" in said
        assert (machine.root / "home/ann/.local/state/boardsync/state.db").exists()
        machine("loginctl", "disable-linger", "ann")


class TestEnd:
    def test_after_a_reboot_it_goes_on_and_sends_nothing_again(self, running: Daemon) -> None:
        machine, before = running.machine, running.on_board()
        machine.shut_down()
        running.send(5)
        machine.boot()
        machine.wait(running.runs, "the service")
        machine.wait(running.arrived, "the new picture")
        assert running.on_board() == before + 1
        said = machine("boardsync", "history", "--limit", "1", "--json")
        assert '"uploaded": 1' in said
        assert running.told()["NRestarts"] == "0"

    def test_uninstalling_leaves_settings_state_and_pictures(self, running: Daemon) -> None:
        machine = running.machine
        said = machine("boardsync", "service", "uninstall")
        assert "The settings stay where they are, by default /etc/boardsync/config.yaml" in said
        assert "The state stays: /var/lib/boardsync" in said
        assert machine.told(UNIT)["LoadState"] == "not-found"
        assert machine.told(UNIT)["ActiveState"] == "inactive"
        assert running.settings.exists()
        assert (machine.root / "var/lib/boardsync/state.db").exists()
        assert len(list(running.folder.glob("*.png"))) == 5
        assert "is not set up" in machine("boardsync", "service", "uninstall")
        machine("boardsync", "service", "install", "--now")
        machine.wait(running.runs, "the service")
        assert running.arrived()
