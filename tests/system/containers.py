"""The image of this checkout, built and run by buildah and podman in a storage of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from system import rootfs
from system.tools import CHECKOUT, call

IMAGE = "localhost/boardsync:test"
BASE = "localhost/debian:test"
PATIENCE = 60.0
ENOUGH = 6 << 30
"""Bytes of free memory from which on the storage is kept there: a disk is slow to forget it."""
_OFFLINE = "[global]\nno-index = true\nfind-links = /wheels\nbreak-system-packages = true\n"


@dataclass(frozen=True, slots=True)
class Processor:
    """A kind of processor: as `uname -m` names it, and as Debian and images do."""

    machine: str
    architecture: str


class Storage:
    """Images and containers below one directory, none of which is seen elsewhere.

    processor: another one than that of this machine, which has to be imitated by now.
    """

    def __init__(self, base: Path, processor: Processor | None = None) -> None:
        self._base = base
        self._processor = processor
        self._in_memory = _free_memory() > ENOUGH
        if self._in_memory:
            call(["mount", "-t", "tmpfs", "-o", "size=3g", "boardsync-test", base])
        places = [f"--root={base}/storage", f"--runroot={base}/run", "--storage-driver=overlay"]
        self._buildah = ["buildah", *places]
        self._podman = ["podman", *places, "--runtime=runc", "--cgroup-manager=cgroupfs"]

    def build(self) -> None:
        """Build the image on the Debian of the tests, which has Python and pip."""
        other = self._processor
        system = rootfs.debian() if other is None else rootfs.debian_for(other.architecture)
        wheels = rootfs.wheels() if other is None else rootfs.wheels(other.machine)
        named = [] if other is None else [f"--arch={other.architecture}"]
        archive = self._base / "debian.tar"
        call(["tar", "-C", system, "-cf", archive, "."])
        self.podman("import", "--quiet", *named, str(archive), BASE)
        archive.unlink()
        offline = self._base / "pip.conf"
        offline.write_text(_OFFLINE)
        call([
            *self._buildah, "build", "--isolation=chroot", "--format=docker", "--pull-never",
            *named, f"--volume={wheels}:/wheels:ro", f"--volume={offline}:/etc/pip.conf:ro",
            f"--build-arg=BASE={BASE}", f"--tag={IMAGE}", CHECKOUT,
        ], seconds=600 if other is None else 3600)  # fmt: skip

    def podman(self, *arguments: str) -> str:
        return call([*self._podman, *arguments])

    def healthcheck(self, container: str) -> str:
        done = subprocess.run(
            [*self._podman, "healthcheck", "run", container],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout
        return "healthy" if done.returncode == 0 else "unhealthy"

    def image(self) -> dict[str, Any]:
        """Return what the image says of itself."""
        told: dict[str, Any] = json.loads(self.podman("image", "inspect", IMAGE))[0]
        return told

    def run(
        self, *options: str, entrypoint: str | None = None, command: Sequence[str] = ()
    ) -> Container:
        """Start a container with the network of this machine, as some hosts allow no other."""
        limits = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=10000:10000")
        more = [] if entrypoint is None else [f"--entrypoint={entrypoint}"]
        said = self.podman(
            "run", "--detach", "--network=host", *limits, *more, *options, IMAGE, *command
        )
        return Container(self, said.split()[-1])

    def clear(self) -> None:
        """Remove all of it."""
        subprocess.run([*self._podman, "rm", "--all", "--force", "--time=0"], capture_output=True)
        # Each container's end lets a last podman tidy up, which would make the storage anew.
        end = time.monotonic() + PATIENCE
        while self._used() and time.monotonic() < end:
            time.sleep(0.1)
        subprocess.run(["umount", self._base / "storage/overlay"], capture_output=True)
        if self._in_memory:
            call(["umount", "--lazy", self._base])
        shutil.rmtree(self._base)

    def _used(self) -> bool:
        """Tell whether a process of ours still works on the storage."""
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self._base / "storage").encode() in process.read_bytes():
                    return True
        return False


class Container:
    """One container, running or not."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.name = name
        self._storage = storage

    def __call__(self, *command: str) -> str:
        """Run a command in it, as its user."""
        return self._storage.podman("exec", self.name, *command)

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._storage.podman("container", "inspect", self.name))[
            0
        ]
        return told

    def asked_for_health(self) -> str:
        """Let its check run once; return what came of it."""
        return self._storage.healthcheck(self.name)

    def log(self) -> str:
        return self._storage.podman("logs", self.name)

    def pid(self) -> int:
        """Return its first process, as this machine counts."""
        return int(self.told()["State"]["Pid"])

    def uid(self) -> tuple[int, int]:
        """Return user and group of its first process."""
        found = os.stat(f"/proc/{self.pid()}")
        return found.st_uid, found.st_gid

    def stop(self, grace: int) -> tuple[float, int]:
        """Stop it as a host does; return how long it took, and its exit code."""
        began = time.monotonic()
        self._storage.podman("stop", f"--time={grace}", self.name)
        return time.monotonic() - began, int(self.told()["State"]["ExitCode"])

    def start(self) -> None:
        self._storage.podman("start", self.name)


def _free_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith("MemAvailable:"))
