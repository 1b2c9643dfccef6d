"""Puts boardsync's units where systemd looks for them, and takes them away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardsync.cli.units import ACCOUNT, FOLDERS, Unit, folders_text, shipped, unit_text
from boardsync.config.load import load
from boardsync.config.model import Settings
from boardsync.errors import NeedsPerson

SECONDS = 120.0
"""How long systemd may take to answer; it waits for a service to be ready."""
ASKED = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus", "MainPID",
    "NRestarts", "StatusText",
)  # fmt: skip

Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command; returns its exit code and what it said."""


def run_command(command: Sequence[str]) -> tuple[int, str]:
    """Run a command without a shell. One that is not there is told as code 127."""
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="backslashreplace", timeout=SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return 127, f"{command[0]}: not found"
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(command)}: no answer within {SECONDS:.0f} s"
    return done.returncode, done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Places:
    """Where systemd looks. root: of the filesystem."""

    units: Path
    root: Path = Path("/")

    @classmethod
    def of(cls, unit: Unit, root: Path = Path("/")) -> Places:
        if not unit.user:
            return cls(root / "etc/systemd/system", root)
        given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        base = given if given.is_absolute() else Path.home() / ".config"
        return cls(base / "systemd/user", root)


class Installation:
    """One unit on this machine."""

    def __init__(self, unit: Unit, places: Places, run: Run = run_command) -> None:
        self.unit = unit
        self._places = places
        self._run = run

    @property
    def unit_file(self) -> Path:
        return self._places.units / self.unit.file

    @property
    def folders_file(self) -> Path:
        return self._places.units / f"{self.unit.name}.d" / FOLDERS

    def demand(self, *, writing: bool) -> None:
        """Raise NeedsPerson where there is no systemd, or where it may not be changed."""
        if not (self._places.root / "run/systemd/system").is_dir():
            raise NeedsPerson(
                "This machine was not started by systemd, so there is nothing that a unit could be"
                " given to. Let `boardsync run` be started by what starts services here."
            )
        if writing and not self.unit.user and os.geteuid() != 0:
            raise NeedsPerson(
                "A service of the system needs root: use sudo, or --user for a service of your own."
            )
        if self.unit.user and self.systemctl("show-environment")[0] != 0:
            raise NeedsPerson(
                "Your own systemd does not answer: log in as yourself, not by su or sudo, and try"
                " again."
            )

    def systemctl(self, *arguments: str) -> tuple[int, str]:
        return self._run(["systemctl", *(["--user"] if self.unit.user else []), *arguments])

    def load(self, settings: Path) -> Settings:
        """Load settings as the service will. Raises SettingsError."""
        return load(settings, {**os.environ, **self._service_environment()}).settings

    def _service_environment(self) -> dict[str, str]:
        state = self.unit.state
        if state is None:
            return {}
        name = f"boardsync-{self.unit.instance}" if self.unit.instance else "boardsync"
        return {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": f"/run/{name}"}

    def install(self, program: Path, settings: Path, account: str | None) -> list[Path]:
        """Write what differs, and let systemd read it; return what was written.

        Raises SettingsError for settings that the service would refuse.
        """
        loaded = self.load(settings)
        wanted = {
            self.unit_file: unit_text(self.unit, program, settings),
            self.folders_file: folders_text(self.unit, loaded, account),
        }
        done = [] if self.unit.user else self._make_account()
        done += [path for path, text in wanted.items() if _write(path, text)]
        if done:
            self._demanded("daemon-reload")
        return done

    def drifted(self, settings: Path) -> bool:
        """Tell whether the settings name other folders than the unit was given."""
        try:
            there = self.folders_file.read_text(encoding="utf-8")
        except OSError:
            return True
        lines = there.splitlines()
        account = next((line[5:] for line in lines if line.startswith("User=")), None)
        return there != folders_text(self.unit, self.load(settings), account)

    def start(self, *, anew: bool) -> None:
        """Start it, now and with the machine. anew: also when it runs already."""
        self._demanded("enable", self.unit.name)
        self._demanded("restart" if anew else "start", self.unit.name)

    def remove(self) -> list[Path]:
        """Stop it and take away what `install` wrote; return what was there."""
        there = [path for path in self._own_files() if path.exists()]
        if not there:
            return []
        self.systemctl("disable", "--now", self.unit.name)
        for path in there:
            path.unlink()
        if self.folders_file.parent.is_dir() and not any(self.folders_file.parent.iterdir()):
            self.folders_file.parent.rmdir()
        self._demanded("daemon-reload")
        self.systemctl("reset-failed", self.unit.name)
        return there

    def told(self) -> dict[str, str]:
        """Return what systemd says of it."""
        properties = [f"--property={name}" for name in ASKED]
        _, text = self.systemctl("show", self.unit.name, *properties)
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def _own_files(self) -> Iterator[Path]:
        yield self.folders_file
        others = [path for path in self._places.units.glob("boardsync*.service.d") if path.is_dir()]
        others = [path for path in others if path != self.folders_file.parent]
        if self.unit.instance is None or not any("@" in path.name for path in others):
            yield self.unit_file
        if not self.unit.user and not others:
            yield from self._declarations().values()

    def _declarations(self) -> dict[Path, Path]:
        """Return what declares the account and the folder of the settings: shipped, installed."""
        etc = self._places.root / "etc"
        return {
            shipped() / kind / "boardsync.conf": etc / kind / "boardsync.conf"
            for kind in ("sysusers.d", "tmpfiles.d")
        }

    def _make_account(self) -> list[Path]:
        """Declare the account and the folder of the settings, and have both made."""
        done = []
        for source, target in self._declarations().items():
            if _write(target, source.read_text(encoding="utf-8")):
                done.append(target)
            tool = {
                "sysusers.d": ["systemd-sysusers"],
                "tmpfiles.d": ["systemd-tmpfiles", "--create"],
            }
            code, said = self._run([*tool[target.parent.name], str(target)])
            if code != 0:
                raise NeedsPerson(f"{target}: the account {ACCOUNT} could not be made: {said}")
        return done

    def _demanded(self, *arguments: str) -> None:
        code, said = self.systemctl(*arguments)
        if code != 0:
            raise NeedsPerson(f"systemctl {' '.join(arguments)}: {said or f'exit code {code}'}")


def program() -> Path:
    """Return the command that a unit is to start. Raises NeedsPerson when there is none."""
    beside = Path(sys.executable).with_name("boardsync")
    found = beside if beside.is_file() else Path(shutil.which("boardsync") or "")
    if not found.is_file():
        raise NeedsPerson(
            "There is no command `boardsync` that a service could start: install the package."
        )
    return found.absolute()


def closed_to_others(path: Path) -> Path | None:
    """Return the first directory on the way to a file that other accounts may not enter."""
    for directory in reversed(path.resolve().parents):
        if not directory.stat().st_mode & 0o001:
            return directory
    return None


def _write(path: Path, text: str) -> bool:
    """Write a file unless it says this already; tell whether it was written."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(path)
    return True
