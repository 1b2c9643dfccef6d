"""Starts what is measured as processes of its own, and reads what they cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import CHECKOUT, TESTS

STOP_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class BenchmarkFailed(Exception):
    """A measured program did not do its work: its numbers would mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: seconds of wall clock and processor, bytes of memory at its peak.

    The kernel counts the memory of the process that started it as well, so a peak below that
    of the benchmarks themselves (about 30 MB) is not seen.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended well: what it printed, and what it cost."""

    output: str
    cost: Cost

    def json(self) -> Any:
        """Return the last line that it printed, read as JSON."""
        return json.loads(self.output.splitlines()[-1])


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module under this Python."""
    return [sys.executable, "-m", module, *arguments]


def run(command: Sequence[str], *, timeout: float) -> Done:
    """Run a program to its end. Raises BenchmarkFailed unless it succeeds in time."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = _start(command, output, errors)
        timer = threading.Timer(timeout, os.kill, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            # Popen's own waiting would throw the costs away.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process)
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise _failure(command, process.returncode, errors.read())
        output.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Done(output.read(), Cost(wall, cpu, usage.ru_maxrss * 1024))


@contextmanager
def running(command: Sequence[str], *, ready_line: bool = False) -> Iterator[tuple[int, str]]:
    """Run a program in the background; give its process id, and its first line if that is due.

    At the end it is asked to stop, and after a while made to.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = _start(command, subprocess.PIPE if ready_line else subprocess.DEVNULL, errors)
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            if ready_line and not line:
                errors.seek(0)
                raise _failure(command, process.wait(), errors.read())
            yield process.pid, line
        finally:
            _end(process)
            if process.stdout is not None:
                process.stdout.close()


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkFailed(f"process {pid} ended while it was measured")


def cpu_seconds(pid: int) -> float:
    """Return how much processor time a process has used since it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _start(command: Sequence[str], output: Any, errors: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(TESTS)))}
    # What is installed has its bytecode; compiling it at every start is not its cost.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True,
        env=environment,
    )  # fmt: skip


def _failure(command: Sequence[str], code: int, errors: str) -> BenchmarkFailed:
    told = errors.strip()[-2000:] or "it printed no error"
    return BenchmarkFailed(f"{' '.join(command)}: ended with {code}: {told}")


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to stop; kill it when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
