"""Debian's tools for whole systems and containers: installed where that is allowed.

Who is not root on a Debian or Ubuntu gets a skipped test with the reason.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache" / "system"
PACKAGES = {
    "mmdebstrap": ("mmdebstrap", "debian-archive-keyring"),
    "systemd-nspawn": ("systemd-container",),
    "buildah": ("buildah",),
    "podman": ("podman",),
    "runc": ("runc",),
    "qemu-aarch64-static": ("qemu-user-static",),
}
"""Commands, and the packages that have them."""


@functools.cache
def demand(*commands: str) -> None:
    """Have these commands, or skip the test and say why."""
    missing = [name for name in commands if shutil.which(name) is None]
    if os.geteuid() != 0:
        pytest.skip("only root can boot a system or build an image from one")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        pytest.skip(f"{', '.join(missing)}: missing, and this is no Debian that could install them")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    install += [package for name in missing for package in PACKAGES[name]]
    with locked(CACHE / "apt.lock"):
        for command in (["apt-get", "update", "-qq"], install):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")


def call(command: Sequence[str | os.PathLike[str]], seconds: float = 300.0) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=seconds,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let two processes that make the same thing wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
