"""What the kernel and the service manager tell of a running daemon."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROC = Path("/proc")
STATUS = frozenset({
    "Name", "State", "Threads", "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile",
    "VmSwap", "FDSize", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches", "NoNewPrivs",
})  # fmt: skip
LIMITS = ("Max open files", "Max processes", "Max file size", "Max address space")
PROPERTIES = (
    "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "ExecMainCode",
    "ActiveEnterTimestamp", "MemoryCurrent", "MemoryPeak", "CPUUsageNSec", "TasksCurrent",
    "Type", "NotifyAccess",
)  # fmt: skip
"""Of a unit: nothing that may hold its environment or its command line."""
SECONDS = 10


def process_facts(pid: int, proc: Path = PROC) -> dict[str, Any]:
    """Tell how a process stands; empty where it cannot be seen."""
    here = proc / str(pid)
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        facts["status"] = _colons((here / "status").read_text(), STATUS)
    with contextlib.suppress(OSError):
        facts["io"] = _colons((here / "io").read_text(), None)
    with contextlib.suppress(OSError):
        limits = (here / "limits").read_text().splitlines()
        facts["limits"] = [line for line in limits if line.startswith(LIMITS)]
    with contextlib.suppress(OSError):
        facts["open_files"] = len(os.listdir(here / "fd"))
    return facts


def _colons(text: str, wanted: frozenset[str] | None) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs if wanted is None or name in wanted}


def unit_facts(pid: int) -> dict[str, str]:
    """Tell what systemd says of the unit that a process belongs to; empty where there is none."""
    unit, mine = unit_of(pid)
    systemctl = shutil.which("systemctl")
    if unit is None or systemctl is None:
        return {}
    command = [systemctl, *(["--user"] if mine else []), "show", unit]
    command += [f"--property={','.join(PROPERTIES)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603, PLW1510
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {"Unit": unit} | {name: value for name, _, value in pairs if name in PROPERTIES}


def unit_of(pid: int, proc: Path = PROC) -> tuple[str | None, bool]:
    """Return the service that a process belongs to, and whether it is a user's own."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None, False
    for line in lines:
        parts = line.rpartition(":")[2].split("/")
        services = [part for part in parts if part.endswith(".service")]
        if services:
            mine = services[0].startswith("user@") and len(services) > 1
            return services[-1], mine
    return None, False
