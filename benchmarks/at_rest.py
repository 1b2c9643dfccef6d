"""What programs cost while nothing happens, read from /proc: several at one and the same time.

A program may be several processes: what they cost is added up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import BenchmarkFailed, cpu_seconds
from benchmarks.scale import Scale

SAMPLE_SECONDS = 10.0
REST_PATIENCE = 900.0
CALM_SHARE = 0.02
"""Of a core, by all of them together: what looks at a folder takes far more."""
_KIB = 1024
_SWITCHES = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. resident: all that is there; proportional: of what is shared only its share."""

    resident: int
    proportional: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What one program cost over some seconds of rest.

    peak: the most of each kind of memory, not necessarily at one moment. wakeups: how often a
    thread gave up the processor by itself, to be woken again; pushed: how often it lost it.
    """

    seconds: float
    end: Memory
    peak: Memory
    cpu: float
    wakeups: int
    pushed: int
    processes: int

    @property
    def percent(self) -> float:
        """The share of one core."""
        return self.cpu / self.seconds * 100


def watch_at_rest(programs: Mapping[str, int], seconds: float) -> dict[str, Rest]:
    """Watch programs, by the ids of their first processes, for so long, all of them together.

    Raises BenchmarkFailed when one of them ends meanwhile.
    """
    watches = {name: _Watch(pid) for name, pid in programs.items()}
    began = time.monotonic()
    while (left := began + seconds - time.monotonic()) > 0:
        time.sleep(min(SAMPLE_SECONDS, left))
        for one in watches.values():
            one.sample()
    return {name: one.told() for name, one in watches.items()}


def wait_for_rest(pids: Iterable[int], scale: Scale) -> None:
    """Wait until programs have hardly used the processor for a while: they are through.

    Raises BenchmarkFailed when they do not come to rest.
    """
    until = time.monotonic() + REST_PATIENCE
    while True:
        before = _cpu_of(pids)
        time.sleep(scale.rest_window)
        if _cpu_of(pids) - before <= CALM_SHARE * scale.rest_window:
            return
        if time.monotonic() > until:
            raise BenchmarkFailed("the programs did not come to rest")


def _cpu_of(pids: Iterable[int]) -> float:
    return sum(cpu_seconds(one) for pid in pids for one in family(pid))


@dataclass(slots=True)
class _Watch:
    """One program, from now on."""

    pid: int
    began: float = field(default_factory=time.monotonic)
    peak: int = 0
    cpu_before: float = field(init=False)
    switches_before: dict[str, tuple[int, int]] = field(init=False)
    switches: dict[str, tuple[int, int]] = field(init=False)
    last: Memory = field(init=False)

    def __post_init__(self) -> None:
        for pid in family(self.pid):
            # From here on the kernel counts the highest level of resident memory anew.
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.cpu_before = sum(cpu_seconds(pid) for pid in family(self.pid))
        self.switches_before = self._switches()
        self.switches = dict(self.switches_before)
        self.sample()

    def sample(self) -> None:
        """Look at it once more: a thread that ends takes its counts along."""
        self.last = memory_of(self.pid)
        self.peak = max(self.peak, self.last.proportional)
        self.switches |= self._switches()

    def told(self) -> Rest:
        pids = family(self.pid)
        nothing = (0, 0)
        own, pushed = (
            sum(now[kind] - self.switches_before.get(thread, nothing)[kind]
                for thread, now in self.switches.items())
            for kind in (0, 1)
        )  # fmt: skip
        return Rest(
            seconds=time.monotonic() - self.began,
            end=self.last,
            peak=Memory(highest_bytes(self.pid), self.peak),
            cpu=sum(cpu_seconds(pid) for pid in pids) - self.cpu_before,
            wakeups=own,
            pushed=pushed,
            processes=len(pids),
        )

    def _switches(self) -> dict[str, tuple[int, int]]:
        """Return by thread how often it gave up the processor, and how often it lost it."""
        found = {}
        for pid in family(self.pid):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(FileNotFoundError, ProcessLookupError):
                    told = _fields(thread / "status")
                    found[thread.name] = (int(told[_SWITCHES[0]]), int(told[_SWITCHES[1]]))
        return found


def highest_bytes(pid: int) -> int:
    """Return the most resident memory that a program and its descendants had, each by itself."""
    return sum(_bytes(one, "status", "VmHWM") for one in family(pid))


def memory_of(pid: int) -> Memory:
    """Return the memory of a process and its descendants."""
    pids = family(pid)
    return Memory(
        sum(_bytes(one, "smaps_rollup", "Rss") for one in pids),
        sum(_bytes(one, "smaps_rollup", "Pss") for one in pids),
    )


def family(pid: int) -> list[int]:
    """Return a process and its descendants. Raises BenchmarkFailed when it has ended."""
    if not Path(f"/proc/{pid}/task").exists():
        raise BenchmarkFailed(f"process {pid} ended while it was watched")
    return [pid, *_descendants(pid)]


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):
            for child in children.read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _bytes(pid: int, file: str, name: str) -> int:
    return int(_fields(Path(f"/proc/{pid}/{file}"))[name].split()[0]) * _KIB


def _fields(path: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.strip() for name, _, value in lines}
