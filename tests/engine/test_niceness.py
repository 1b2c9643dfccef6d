"""Standing back: asked of the kernel what it believes, in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import boardsync
from boardsync.config.process import ProcessSettings
from boardsync.engine.niceness import stand_back
from state.state_kit import logged

_PROBE = """
import ctypes, os, sys, threading
from boardsync.config.process import DiskPriority, ProcessSettings
from boardsync.engine.niceness import stand_back
from concurrent.futures import ThreadPoolExecutor

GET = {"x86_64": 252, "aarch64": 31}[os.uname().machine]

def told():
    libc = ctypes.CDLL(None, use_errno=True)
    value = libc.syscall(ctypes.c_long(GET), 1, threading.get_native_id())
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), value >> 13, value & 7

before = ThreadPoolExecutor(1)
before.submit(told).result()
level = None if sys.argv[1] == "idle" else int(sys.argv[1])
stand_back(ProcessSettings(nice=7, io=DiskPriority(level)))
print(told(), before.submit(told).result(), ThreadPoolExecutor(1).submit(told).result())
"""

_KNOWN = platform.machine() in ("x86_64", "aarch64")


@pytest.mark.skipif(not _KNOWN, reason="it is not known how to ask this kernel")
@pytest.mark.parametrize(("level", "seen"), [("idle", "(7, 3, 0)"), ("6", "(7, 2, 6)")])
def test_every_thread_stands_back_those_that_begin_later_too(level: str, seen: str) -> None:
    assert run(_PROBE, level).strip() == f"{seen} {seen} {seen}"


def test_without_settings_nothing_is_touched() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with logged() as lines:
        stand_back(ProcessSettings())
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert lines == []


_REFUSED = """
import os, sys
from boardsync.config.process import DiskPriority, ProcessSettings
from boardsync.engine.niceness import stand_back
from boardsync.telemetry.logging import configure

os.setpriority(os.PRIO_PROCESS, 0, 15)
if os.geteuid() == 0:
    os.setuid(65534)
configure("info", "json", sys.stdout)
stand_back(ProcessSettings(nice=3, io=DiskPriority(3)), machine="abacus")
assert os.getpriority(os.PRIO_PROCESS, 0) == 15
"""


def test_what_is_refused_is_told_once_each_and_is_no_failure() -> None:
    told = [json.loads(line) for line in run(_REFUSED).splitlines()]
    assert [one["event"] for one in told] == ["a setting is not in force"] * 2
    nice, io = (one["reason"] for one in told)
    assert nice.startswith("process.nice: the processor's priority stays at 15, and not 3: Perm")
    assert "it is not known how to set it on this machine" in io


_AGAIN = """
import asyncio, os, sys
from boardsync.config.model import Settings
from boardsync.config.process import DiskPriority, ProcessSettings
from boardsync.engine.niceness import stand_back

if sys.argv[1] == "nobody" and os.geteuid() == 0:
    os.setuid(65534)

def follow(standing, **asked):
    change = asyncio.run(standing.follow(Settings(process=ProcessSettings(**asked))))
    told = "nothing" if change is None else change.make()
    print(os.getpriority(os.PRIO_PROCESS, 0), told)

os.setpriority(os.PRIO_PROCESS, 0, 4)
standing = stand_back(ProcessSettings())
follow(standing, nice=9)
follow(standing, nice=9)
follow(standing, nice=9, io=DiskPriority(None))
follow(standing, nice=6)
follow(standing, nice=6)
follow(standing)
follow(standing, nice=12)
follow(standing, nice=12)
"""


def test_further_back_is_always_possible_and_what_is_refused_is_told_each_time() -> None:
    lines = run(_AGAIN, "nobody").splitlines()
    refused = "process.nice: the processor's priority stays at 9, and not {}: Permission denied"
    assert lines[:3] == ["9 []", "9 nothing", "9 []"]
    for line, wanted in zip(lines[3:6], ("6", "6", "as it was started"), strict=True):
        assert line.startswith("9 [")
        assert refused.format(wanted) in line
    assert lines[6:] == ["12 []", "12 nothing"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root comes forward again")
def test_with_the_right_to_it_comes_forward_again_as_far_as_it_was_started() -> None:
    told = run(_AGAIN, "root").splitlines()
    assert told == [
        "9 []", "9 nothing", "9 []", "6 []", "6 nothing", "4 []", "12 []", "12 nothing",
    ]  # fmt: skip


def run(script: str, *arguments: str) -> str:
    """Run a script as a process of its own, on this code; return what it printed."""
    here = os.environ | {"PYTHONPATH": str(Path(boardsync.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, timeout=60, env=here,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
