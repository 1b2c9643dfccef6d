"""A folder, a directory server and settings for tests of the commands that mirror.

place = Place(tmp_path)
place.picture("a.png")
told = place.json("once")               # in this process; exit code 0, output parsed
with place.daemon() as daemon: ...      # `boardsync run` as a process of its own
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from click.testing import Result

from boardsync.cli.access import daemon_request
from boardsync.config.load import load
from boardsync.formats import PNG
from cli.command_kit import call, command
from picture_samples import sample

PATIENCE = 20.0
"""Seconds until a condition that does not come true fails a test."""

_SETTINGS = """\
state: {base}/state/state.db
servers:
  shelf:
    kind: directory
    path: {base}/boards
{server}
mirrors:
  - name: m
    folder: {base}/pictures
    server: shelf
    board: Board
    settle: {{quiet: {quiet}, quiet_uncertain: {quiet}, rewrite: 0 s}}
{mirror}
{more}
"""


def picture(seed: int = 1, size: tuple[int, int] = (24, 16)) -> bytes:
    """Return a picture of noise; another one for each seed."""
    return sample(PNG, "RGB", size, seed=seed)


class Place:
    """One mirror between a folder and a directory of boards."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "pictures"
        self.boards = base / "boards"
        self.state = base / "state" / "state.db"
        self.socket = base / "state" / "boardsync.sock"
        self.config = base / "config.yaml"
        self.folder.mkdir()
        self.boards.mkdir()
        self.configure()

    def configure(
        self, *, server: str = "", mirror: str = "", more: str = "", quiet: str = "0 s"
    ) -> None:
        """Write the settings; each argument adds a line to a section."""
        indented = f"    {server}" if server else "", f"    {mirror}" if mirror else ""
        self.config.write_text(
            _SETTINGS.format(
                base=self.base, server=indented[0], mirror=indented[1], more=more, quiet=quiet
            )
        )

    def believe_at_once(self) -> None:
        """Let what vanished count as deleted without asking a second time."""
        text = self.config.read_text()
        self.config.write_text(
            text.replace("rewrite: 0 s", "rewrite: 0 s, removal: 0 s, confirm: 0 s")
        )

    def picture(self, name: str | bytes, seed: int = 1, content: bytes | None = None) -> bytes:
        """Put a picture into the folder, in one step; return its bytes."""
        content = picture(seed) if content is None else content
        put(self.folder, name, content)
        return content

    def board_picture(self, name: str | bytes, seed: int = 1) -> bytes:
        """Put a picture on the board, as a person or a server would."""
        content = picture(seed)
        put(self.boards / "Board", name, content)
        return content

    def fill_by_hand(self, count: int) -> None:
        """Put the same pictures into the folder and, under other names, on the board."""
        for seed in range(count):
            self.picture(f"{seed}.png", seed=seed)
            self.board_picture(f"by hand {seed}.png", seed=seed)

    def on_board(self) -> dict[str, bytes]:
        """Return the board's pictures by name."""
        return tree(self.boards / "Board")

    def __call__(self, *arguments: str, input: str | None = None) -> Result:  # noqa: A002
        """Run a command in this process."""
        return call("-c", str(self.config), *arguments, input=input)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with `--json`; whatever else is on standard output fails to parse."""
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def environment(self) -> dict[str, str]:
        """Return an environment in which nothing of this machine's user can be touched."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
        home = str(self.base / "home")
        return kept | {"HOME": home, "XDG_STATE_HOME": home, "PYTHONWARNINGS": "error"}

    @contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command as a process of its own; kill what is left of it after the block."""
        with subprocess.Popen(
            command("-c", str(self.config), *arguments),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment(),
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def refused(self, *arguments: str) -> tuple[int, str]:
        """Run a command as a process of its own that does not succeed: exit code and words."""
        with self.process(*arguments) as process:
            out, said = process.communicate(timeout=PATIENCE)
        assert out == ""
        return process.returncode, said

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """Run the daemon until the block ends; kill what is left of it."""
        log = self.base / "daemon.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                command("-c", str(self.config), "run"),
                stdout=subprocess.DEVNULL, stderr=stream, env=self.environment(),
            )  # fmt: skip
        daemon = Daemon(process, log)
        try:
            wait_until(lambda: process.poll() is not None or self.pid() == process.pid, daemon.told)
            yield daemon
        finally:
            process.kill()
            process.wait()

    def pid(self) -> int | None:
        """Return the process that answers on the socket."""
        answer = daemon_request(load(self.config).settings, "GET", "/version")
        return None if answer is None else int(answer["pid"])


class Daemon:
    """A running `boardsync run`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def told(self) -> str:
        """Return what it logged."""
        return self.log.read_text()

    def ends(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(timeout=seconds)


def put(folder: Path, name: str | bytes, content: bytes) -> None:
    """Put a file into a folder in one step, as a rename does."""
    target = os.path.join(os.fsencode(folder), os.fsencode(name))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = os.path.join(os.path.dirname(target), b".arriving")
    with open(temporary, "wb") as stream:
        stream.write(content)
    os.rename(temporary, target)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the visible files below a folder by name; what vanishes meanwhile is not there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:]):
            with suppress(FileNotFoundError):
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def everything(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Return all that is below a folder, hidden things included: mtimes and contents."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None
        )
        for path in sorted(folder.rglob("*"))
    }  # fmt: skip


def wait_until(condition: Callable[[], bool], what: Callable[[], str] = lambda: "") -> None:
    """Wait, with an end, for what other processes do."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"this did not come true in time. {what()}"
        time.sleep(0.02)
