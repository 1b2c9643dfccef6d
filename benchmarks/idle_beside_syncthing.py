"""Ten minutes of rest, boardsync and Syncthing side by side over the same pictures.

Both have looked at everything before; both watch by inotify; nobody touches a file. What they
hold and burn then is read from /proc for the same ten minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.at_rest import Rest, highest_bytes, wait_for_rest, watch_at_rest
from benchmarks.memory_idle import (
    TARGET_MB,
    TARGET_PERCENT,
    as_the_service,
    wait_until_indexed,
    wait_until_up,
)
from benchmarks.processes import BenchmarkFailed, run, running
from benchmarks.results import Baseline, Results, Row, Skipped
from benchmarks.scale import Scale
from benchmarks.synced import Shared
from benchmarks.syncthing import (
    HOW_TO_GET_IT,
    free_port,
    is_there,
    syncthing_beside,
    version,
)
from benchmarks.workspace import Workspace, temporary_directory

NAME = "idle-beside-syncthing"
OURS, THEIRS = "boardsync", "syncthing"
TARGET_FILES = 100_000
MB = 1_000_000
ASK_SECONDS = 60.0
WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


def idle_beside_syncthing(scale: Scale, shared: Shared) -> Results:
    """Measure both at the same time."""
    if not is_there():
        return [Skipped(NAME, HOW_TO_GET_IT)]
    synced = shared.synced()
    workspace = synced.workspace.beside("listening", {"http": {"listen": free_port()}})
    with (
        temporary_directory() as home,
        enough_watches(_watches_needed(workspace)),
        syncthing_beside(workspace.folder, home / THEIRS, synced.files) as theirs,
        running(as_the_service(workspace.command("run"))) as (ours, _),
    ):
        wait_until_up(workspace)
        _require_live_watching(workspace)
        wait_until_indexed(workspace)
        wait_for_rest((ours, theirs), scale)
        highest = highest_bytes(ours), highest_bytes(theirs)
        rest = watch_at_rest({OURS: ours, THEIRS: theirs}, scale.together)
        wait_until_up(workspace)
    whole = synced.files == TARGET_FILES
    name = f"{THEIRS} {version()}"
    before = Row(
        NAME, "resident memory, peak before", "MB", (highest[0] / MB,),
        baseline=Baseline(name, (highest[1] / MB,)),
    )  # fmt: skip
    return [*_rows(rest[OURS], rest[THEIRS], name, whole=whole), before]


def _rows(ours: Rest, theirs: Rest, name: str, *, whole: bool) -> list[Row]:
    def row(case: str, unit: str, value: Callable[[Rest], float], target: float | None) -> Row:
        baseline = Baseline(name, (value(theirs),))
        wanted = target if whole else None
        return Row(NAME, case, unit, (value(ours),), baseline=baseline, target=wanted)

    return [
        row("resident memory, at the end", "MB", lambda r: r.end.resident / MB, TARGET_MB),
        row("resident memory, peak", "MB", lambda r: r.peak.resident / MB, TARGET_MB),
        row("proportional memory, at the end", "MB", lambda r: r.end.proportional / MB, None),
        row("proportional memory, peak", "MB", lambda r: r.peak.proportional / MB, None),
        row("CPU of one core", "%", lambda r: r.percent, TARGET_PERCENT),
        row("CPU", "s", lambda r: r.cpu, None),
        row("wake-ups", "/s", lambda r: r.wakeups / r.seconds, None),
        row("pushed off the core", "/s", lambda r: r.pushed / r.seconds, None),
        row("watched for", "s", lambda r: r.seconds, None),
        row("processes", "", lambda r: r.processes, None),
    ]


def _require_live_watching(workspace: Workspace) -> None:
    """Raise BenchmarkFailed unless the kernel tells the daemon of changes."""
    told = run(workspace.command("status", "--json"), timeout=ASK_SECONDS).output
    [mirror] = json.loads(told)["mirrors"]
    watching = (mirror.get("watcher") or {}).get("watching")
    if watching != "native":
        raise BenchmarkFailed(f"the folder is not watched live: {watching}")


def _watches_needed(workspace: Workspace) -> int:
    """Return how many directories both programs together watch: the folder, and its board."""
    return 3 * (1 + sum(path.is_dir() for path in workspace.folder.iterdir()))


@contextmanager
def enough_watches(needed: int, limit: Path = WATCHES) -> Iterator[None]:
    """Raise the kernel's limit of watches meanwhile, where it is too low and that is allowed.

    It is said when it is done. Raises BenchmarkFailed when it is not allowed.
    """
    before = limit.read_text()
    if int(before) >= needed:
        yield
        return
    try:
        limit.write_text(str(needed))
    except OSError as error:
        raise BenchmarkFailed(f"{limit}: {before.strip()}, and {needed} are needed") from error
    print(f"{NAME}: {limit} raised to {needed} meanwhile", file=sys.stderr)
    try:
        yield
    finally:
        limit.write_text(before)
