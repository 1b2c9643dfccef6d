"""A pass with nothing to do: what a schedule costs that finds everything in step.

Beside it `find -printf`, which asks the kernel for the same facts of the folder alone. The
pass also looks at the board's directory and at the state, so it does more than twice that.
"""

from __future__ import annotations

from benchmarks.processes import Cost, Done, run
from benchmarks.results import Baseline, Results, Row
from benchmarks.rounds import alternate
from benchmarks.scale import Scale
from benchmarks.synced import Shared, Synced, require_synced

NAME = "idle-pass"
TIMEOUT = 600.0
TARGET_FILES = 100_000
TARGET_SECONDS = 0.8
TARGET_STATE_MB = 30.0
MB = 1_000_000


def idle_pass(scale: Scale, shared: Shared) -> Results:
    """Measure the first pass, passes with nothing to do, and the state they leave."""
    synced = shared.synced()
    pairs = alternate(
        lambda: _pass(synced), lambda: _find(synced), rounds=scale.rounds, budget=scale.budget
    )
    return [
        Row(NAME, "first pass: files in step", "/s", (synced.files / synced.first.wall,)),
        *_whole_process(synced, pairs.ours, pairs.theirs),
        *_warm(synced, scale.rounds, pairs.theirs),
        _state(synced),
    ]


def _whole_process(synced: Synced, ours: tuple[Cost, ...], theirs: tuple[Cost, ...]) -> list[Row]:
    target = TARGET_SECONDS if synced.files == TARGET_FILES else None
    wall = Baseline("find", tuple(cost.wall for cost in theirs))
    cpu = Baseline("find", tuple(cost.cpu for cost in theirs))
    peak = tuple(cost.peak / MB for cost in ours)
    return [
        Row(NAME, "boardsync once, wall", "s", tuple(c.wall for c in ours), baseline=wall,
            target=target),
        Row(NAME, "boardsync once, CPU", "s", tuple(c.cpu for c in ours), baseline=cpu),
        Row(NAME, "boardsync once, peak memory", "MB", peak),
    ]  # fmt: skip


def _warm(synced: Synced, count: int, theirs: tuple[Cost, ...]) -> list[Row]:
    """Look again and again inside one process, as the daemon does."""
    told = run(synced.workspace.engine("looks", str(count + 1)), timeout=TIMEOUT).json()
    wall, cpu = (tuple(told[key][1:]) for key in ("seconds", "cpu"))  # the first warms up
    return [
        Row(NAME, "pass in a warm process, wall", "s", wall,
            baseline=Baseline("find", tuple(cost.wall for cost in theirs))),
        Row(NAME, "pass in a warm process, CPU", "s", cpu,
            baseline=Baseline("find", tuple(cost.cpu for cost in theirs))),
    ]  # fmt: skip


def _state(synced: Synced) -> Row:
    size = synced.workspace.state_bytes() / MB * TARGET_FILES / synced.files
    target = TARGET_STATE_MB if synced.files == TARGET_FILES else None
    return Row(NAME, "state on disk per 100,000 files", "MB", (size,), target=target)


def _pass(synced: Synced) -> Cost:
    done = run(synced.workspace.command("once", "--json"), timeout=TIMEOUT)
    require_synced(done.output, synced.files)
    return done.cost


def _find(synced: Synced) -> Cost:
    command = ["find", str(synced.workspace.folder), "-type", "f", "-printf", r"%P %s %T@ %C@ %i\n"]
    done: Done = run(command, timeout=TIMEOUT)
    return done.cost
