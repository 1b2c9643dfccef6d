"""A machine of its own: systemd booted in a container of namespaces, with our units in it.

It shares the network of this machine, so that a server on the loopback interface is reached, and
nothing else. Its commands are entered by their namespaces: no manager of machines is needed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
_PATH = "/opt/boardsync/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A system that can be booted, looked into, and shut down; its disk stays."""

    def __init__(self, root: Path, log: Path) -> None:
        self.root = root
        self._log = log
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Start it, and wait until systemd has started all it wants to."""
        # In the old hierarchy of cgroups nobody hears that the last process of a person's manager
        # has ended, and the shutdown would wait two minutes for it.
        quick = self.root / "etc/systemd/system/user@.service.d/quick.conf"
        quick.parent.mkdir(parents=True, exist_ok=True)
        quick.write_text("[Service]\nTimeoutStopSec=1s\n")
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
                   "--console=pipe", "--link-journal=no", f"--machine=boardsync-{os.getpid()}",
                   f"--directory={self.root}"]  # fmt: skip
        with self._log.open("ab") as log:
            self._nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # Where the host has both hierarchies of cgroups, the old one has the controllers.
                env=os.environ | _hierarchy(),
            )  # fmt: skip
        self._leader = self.wait(self._find_leader, "its first process")
        self.wait(lambda: self._try("systemctl", "is-system-running") in ("running", "degraded"),
                  "systemd")  # fmt: skip

    def shut_down(self) -> None:
        """Let systemd stop all services and end."""
        if self._nspawn is None:
            return
        if self._nspawn.poll() is None:
            self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
            raise
        finally:
            self._nspawn = None

    def __call__(self, *command: str, code: int = 0) -> str:
        """Run a command inside; return what it printed, its errors included."""
        done = self._enter(*command)
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def told(self, unit: str) -> dict[str, str]:
        """Return what systemd says of a unit."""
        lines = self("systemctl", "show", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str) -> str:
        """Return a unit's log, of this boot, its starts and ends included."""
        return self("journalctl", "--no-pager", "--boot", "-o", "cat", f"--unit={unit}")

    def wait(self, look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Wait, with an end, for something to be; return it."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
            time.sleep(0.1)
        return found

    def _enter(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", "env", "-i", f"PATH={_PATH}",
             "LANG=C.UTF-8", "HOME=/root", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=3 * PATIENCE,
        )  # fmt: skip

    def _try(self, *command: str) -> str:
        return self._enter(*command).stdout.strip()

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._log.read_text(errors="replace")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for child in children.read_text().split():
            name = Path(f"/proc/{child}/comm")
            if name.exists() and name.read_text().strip() == "systemd":
                return int(child)
        return 0


def _hierarchy() -> dict[str, str]:
    pure = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return {} if pure else {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"}
