"""A thousand programs that write pictures slowly, while the daemon runs with its usual waits.

What others see on the server is looked at all the time: nothing there may ever be torn, and each
picture should be there soon after its writer closed it for the last time.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.eyes import BoardEye, DirectoryEye, InvokeAIEye
from benchmarks.memory_idle import wait_until_up
from benchmarks.processes import BenchmarkFailed, run, running
from benchmarks.results import Results, Row, Skipped
from benchmarks.scale import Scale
from benchmarks.upload import HOW_TO_GET_ONE, real_is_ready
from benchmarks.workspace import Workspace, temporary_directory, with_directory_server
from boardsync.plan.settling import Waits
from real.invokeai_server import RealInvokeAI
from scenarios.writers import FORMATS, WRITERS, Steps, drawn, pausing
from torture.pictures import pixels_of

NAME, NAME_REAL = "slow-writers", "slow-writers-real"
TARGET_SECONDS = 5.0
AT_ONCE = 50
"""Writers that are at work at the same time."""
PATIENCE = 120.0
"""Seconds after the last close until everything should be there."""
REPLACING = "replacing"


@dataclass(slots=True)
class Work:
    """One writer. shows: what its picture shows at the end. before: what a whole one showed that it
    wrote over. closed: when it closed its file for the last time, None before.
    """

    kind: str
    extension: str
    shows: str
    steps: Steps
    before: str = ""
    closed: float | None = None


def slow_writers(scale: Scale) -> Results:
    """Measure with a board in a directory."""
    with temporary_directory() as base:
        (base / "pictures").mkdir()
        workspace = with_directory_server(base / "synced", base / "pictures")
        return _measure(NAME, scale, workspace, DirectoryEye(base / "synced" / "boards"))


def slow_writers_real(scale: Scale) -> Results:
    """Measure with a board on a real InvokeAI server."""
    if not (scale.real_asked or real_is_ready()):
        return [Skipped(NAME_REAL, HOW_TO_GET_ONE)]
    with temporary_directory() as base:
        (base / "pictures").mkdir()
        server = RealInvokeAI(base / "invokeai")
        try:
            url = server.start().url
            settings = {"kind": "invokeai", "url": url}
            workspace = Workspace(base / "synced", base / "pictures", settings)
            return _measure(NAME_REAL, scale, workspace, InvokeAIEye(server))
        finally:
            server.stop()


def _measure(name: str, scale: Scale, workspace: Workspace, eye: BoardEye) -> Results:
    chance = random.Random(1)
    works = list(_works(workspace.folder, scale, chance))
    with running(workspace.command("run")):
        wait_until_up(workspace)
        with eye.open():
            _write_all(works, scale, chance)
            _await_all(works, eye)
        _require_in_step(workspace, len(works))
    return list(_rows(name, works, eye))


def _works(folder: Path, scale: Scale, chance: random.Random) -> Iterator[Work]:
    """Make the writers: each kind with each format, in turn."""
    kinds, extensions = [*WRITERS, REPLACING], [*FORMATS]
    for number in range(min(scale.files, scale.writers)):
        kind = kinds[number % len(kinds)]
        extension = extensions[number // len(kinds) % len(extensions)]
        content = drawn(extension, number)
        path = folder / f"{kind}-{number:04}{extension}"
        own = random.Random(chance.random())
        if kind == REPLACING:
            before = drawn(extension, -number)
            steps = _replacing(path, before, content, own)
            yield Work(kind, extension, pixels_of(content), steps, pixels_of(before))
        else:
            yield Work(kind, extension, pixels_of(content), WRITERS[kind](path, content, own))


def _replacing(path: Path, before: bytes, content: bytes, chance: random.Random) -> Steps:
    """Write one picture, rest until it may have been sent, truncate it and write another one."""
    path.write_bytes(before)
    yield
    yield from pausing(path, content, chance)


def _write_all(works: Sequence[Work], scale: Scale, chance: random.Random) -> None:
    """Let writers begin one after the other, and rest between their steps."""
    began = time.monotonic()
    due = [(began + n * scale.writers_gap, n) for n in range(len(works))]
    at_work: set[int] = set()
    while due:
        moment, number = heapq.heappop(due)
        time.sleep(max(0.0, moment - time.monotonic()))
        if number not in at_work and len(at_work) >= AT_ONCE:
            heapq.heappush(due, (time.monotonic() + scale.writers_gap, number))
            continue
        at_work.add(number)
        work = works[number]
        if next(work.steps, "done") == "done":
            work.closed = time.monotonic()
            at_work.remove(number)
        else:
            rest = chance.uniform(0.1, scale.writers_rest)
            heapq.heappush(due, (time.monotonic() + rest, number))


def _await_all(works: Sequence[Work], eye: BoardEye) -> None:
    until = time.monotonic() + PATIENCE
    while missing := [one for one in works if one.shows not in eye.seen]:
        if time.monotonic() > until:
            told = ", ".join(f"{one.kind}{one.extension}" for one in missing[:5])
            raise BenchmarkFailed(f"{len(missing)} pictures never came, among them {told}")
        time.sleep(0.1)


def _require_in_step(workspace: Workspace, files: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        told = run(workspace.command("status", "--json"), timeout=PATIENCE).output
        [mirror] = json.loads(told)["mirrors"]
        if (mirror["condition"], mirror["synced"]) == ("synced", files):
            return
        if time.monotonic() > until:
            raise BenchmarkFailed(f"not all of {files} pictures are in step: {mirror}")
        time.sleep(1)


def _rows(name: str, works: Sequence[Work], eye: BoardEye) -> Iterator[Row]:
    intended = {one.shows for one in works} | {one.before for one in works}
    torn = eye.torn + [eye.names[shows] for shows in eye.seen.keys() - intended]
    for one in torn:
        print(f"{name}: torn: {one}", file=sys.stderr)
    yield Row(name, "torn pictures ever seen", "", (len(torn),), target=0)
    for kind in (*WRITERS, REPLACING):
        mine = [one for one in works if one.kind == kind]
        if mine:
            bound = TARGET_SECONDS + (Waits().rewrite if kind == REPLACING else 0)
            yield from _latencies(name, f"{kind}, {len(mine)} writers", mine, eye, bound)
    quick = [one for one in works if one.kind != REPLACING]
    yield from _latencies(name, f"all but {REPLACING}, {len(quick)} writers", quick, eye)


def _latencies(
    name: str, case: str, works: Sequence[Work], eye: BoardEye, bound: float = TARGET_SECONDS
) -> Iterator[Row]:
    took = sorted(max(0.0, eye.seen[one.shows] - (one.closed or 0.0)) for one in works)
    for share, told in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
        value = took[math.ceil(share * len(took)) - 1]
        yield Row(name, f"{case}: {told}", "s", (value,), target=bound)
    late = sum(one > bound for one in took)
    yield Row(name, f"{case}: above {bound:g} s", "", (late,), target=0)
