"""The daemon that is tortured: the installed command, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from boardsync.cli.access import daemon_request
from boardsync.config.load import load
from boardsync.errors import BoardsyncError

STOP_SECONDS = 30.0
COMMAND_SECONDS = 60.0


class DaemonEndedError(Exception):
    """The daemon ended although nobody had killed it."""


class Daemon:
    """Starts, kills and asks one mirror's daemon. starts: how often it was started."""

    def __init__(self, base: Path, config: Path) -> None:
        self.config = config
        self.log = base / "daemon.log"
        self.starts = 0
        self._settings = load(config).settings
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = _environment(base)

    @property
    def running(self) -> bool:
        """Whether it was started and has not been killed."""
        return self._process is not None

    def start(self) -> None:
        """Start the daemon; it may take a second until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _command("-c", str(self.config), "run"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip
        self.starts += 1

    def kill(self) -> None:
        """End it with SIGKILL, at this very moment. Raises DaemonEndedError when it had ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            code = process.wait()
            if code != -signal.SIGKILL:
                raise DaemonEndedError(f"the daemon ended by itself with {code}; see {self.log}")

    def strike(self) -> None:
        """Send SIGKILL and do nothing else, from any thread; `kill` cleans up afterwards."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it as a service manager does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def told(self) -> dict[str, Any]:
        """Return what the running daemon says of its mirror; nothing while it does not answer."""
        try:
            answer = daemon_request(self._settings, "GET", "/status")
        except BoardsyncError:
            return {}
        return {} if answer is None else dict(answer["mirrors"][0])

    def status(self) -> dict[str, Any]:
        """Return what `boardsync status --json` says of the mirror."""
        done = subprocess.run(
            _command("-c", str(self.config), "status", "--json"), env=self._environment,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True,
        )  # fmt: skip
        return dict(json.loads(done.stdout)["mirrors"][0])

    def wait_until_synced(self, pairs: int, seconds: float) -> float | None:
        """Wait until so many files are in step and nothing is left to do; return how long.

        None: not in time. Raises DaemonEndedError.
        """
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if _in_step(self.told(), pairs):
                taken = time.monotonic() - began
                if _in_step(self.status(), pairs):
                    return taken
            if self._process is not None and self._process.poll() is not None:
                self.kill()
            time.sleep(0.05)
        return None


def _in_step(told: dict[str, Any], pairs: int) -> bool:
    return told.get("condition") == "synced" and told["synced"] == told["files"] == pairs


def _command(*arguments: str) -> list[str]:
    """Return the command line of the boardsync that is installed beside this Python."""
    return [str(Path(sys.executable).with_name("boardsync")), *arguments]


def _environment(base: Path) -> dict[str, str]:
    """Return an environment in which nothing of this machine's user can be touched."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
    home = str(base / "home")
    return kept | {"HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}
