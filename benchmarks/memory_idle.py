"""The daemon at rest: what `boardsync run` holds and burns when everything is in step.

The baseline is this Python doing nothing: an interpreter that sleeps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import BenchmarkFailed, cpu_seconds, resident_bytes, run, running
from benchmarks.results import Baseline, Results, Row
from benchmarks.scale import Scale
from benchmarks.synced import Shared
from benchmarks.workspace import Workspace

NAME = "memory-idle"
TARGET_FILES = 100_000
TARGET_MB = 110.0
TARGET_PERCENT = 0.1
START_SECONDS = 60.0
INDEX_SECONDS = 1800.0
UNIT = Path(__file__).parent.parent / "systemd" / "boardsync.service"
MB = 1_000_000


def memory_idle(scale: Scale, shared: Shared) -> Results:
    """Measure a running daemon, its control socket included."""
    synced = shared.synced()
    with running(as_the_service(synced.workspace.command("run"))) as (pid, _):
        wait_until_up(synced.workspace)
        wait_until_indexed(synced.workspace)
        memory, percent = _watch(pid, scale)
    with running([sys.executable, "-c", "import time; time.sleep(3600)"]) as (pid, _):
        time.sleep(0.2)
        bare = resident_bytes(pid) / MB
    whole = synced.files == TARGET_FILES
    return [
        Row(NAME, "resident memory", "MB", (memory / MB,), baseline=Baseline("python", (bare,)),
            target=TARGET_MB if whole else None),
        Row(NAME, "CPU of one core", "%", (percent,), target=TARGET_PERCENT if whole else None),
    ]  # fmt: skip


def _watch(pid: int, scale: Scale) -> tuple[int, float]:
    """Return bytes held after a while, and the share of a core used in the time after that."""
    time.sleep(scale.idle_wait)
    memory = resident_bytes(pid)
    busy, began = cpu_seconds(pid), time.monotonic()
    time.sleep(scale.idle_window)
    seconds = time.monotonic() - began
    return memory, (cpu_seconds(pid) - busy) / seconds * 100


def as_the_service(command: Sequence[str]) -> list[str]:
    """Return a command with what systemd's unit adds to its environment."""
    lines = UNIT.read_text().splitlines()
    added = [line.partition("=")[2] for line in lines if line.startswith("Environment=")]
    return ["/usr/bin/env", *added, *command]


def wait_until_up(workspace: Workspace) -> None:
    """Wait until the daemon answers on its socket. Raises BenchmarkFailed unless it is at rest."""
    socket = Path(workspace.state.parent / "boardsync.sock")
    until = time.monotonic() + START_SECONDS
    while not socket.exists():
        if time.monotonic() > until:
            raise BenchmarkFailed("the daemon did not come up")
        time.sleep(0.05)
    status = run(workspace.command("status", "--json"), timeout=START_SECONDS).output
    [mirror] = json.loads(status)["mirrors"]
    if mirror["condition"] != "synced":
        raise BenchmarkFailed(f"the daemon is {mirror['condition']}, not at rest")


def wait_until_indexed(workspace: Workspace) -> None:
    """Wait until the search index, which takes its time, has everything. Raises BenchmarkFailed."""
    until = time.monotonic() + INDEX_SECONDS
    while True:
        told = run(workspace.command("status", "--json"), timeout=START_SECONDS).output
        index = json.loads(told)["index"]
        if index["pictures"] and not index["behind"]:
            return
        if time.monotonic() > until:
            raise BenchmarkFailed(f"the search index did not come to rest: {index}")
        time.sleep(5.0)
