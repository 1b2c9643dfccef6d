"""A state that was lost: how long until everything is in step again, with nothing sent.

For an InvokeAI server the baseline is a bare loop that reads the metadata of every image, which is
where the marks are: nobody can know the pictures again with less.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.pictures import small_tree
from benchmarks.processes import BenchmarkFailed, python, run
from benchmarks.results import Baseline, Results, Row, Skipped
from benchmarks.rounds import alternate
from benchmarks.scale import Scale
from benchmarks.synced import require_synced
from benchmarks.upload import HOW_TO_GET_ONE, real_is_ready
from benchmarks.workspace import Workspace, let_settle, temporary_directory, with_directory_server
from real.invokeai_server import RealInvokeAI

NAME, NAME_REAL = "lost-state", "lost-state-real"
TIMEOUT = 900.0
TARGET_FILES = 10_000
TARGET_SECONDS = 20.0
TARGET_RATIO = 1.3


def lost_state(scale: Scale) -> Results:
    """Measure with a board in a directory."""
    with temporary_directory() as base:
        folder = _folder(base / "pictures", scale.lost)
        workspace = with_directory_server(base / "synced", folder)
        require_synced(_once(workspace), scale.lost)
        seconds = tuple(_again(workspace, scale.lost) for _ in range(scale.rounds))
    target = TARGET_SECONDS if scale.lost == TARGET_FILES else None
    return [Row(NAME, f"directory, {scale.lost} pictures", "s", seconds, target=target)]


def lost_state_real(scale: Scale) -> Results:
    """Measure with a board on a real InvokeAI server."""
    if not (scale.real_asked or real_is_ready()):
        return [Skipped(NAME_REAL, HOW_TO_GET_ONE)]
    with temporary_directory() as base:
        folder = _folder(base / "pictures", scale.lost_real)
        server = RealInvokeAI(base / "invokeai")
        try:
            return [_beside_bare_reads(scale, base, folder, server.start().url)]
        finally:
            server.stop()


def _beside_bare_reads(scale: Scale, base: Path, folder: Path, url: str) -> Row:
    files = scale.lost_real
    workspace = Workspace(base / "synced", folder, {"kind": "invokeai", "url": url})
    require_synced(_once(workspace), files)
    pairs = alternate(
        partial(_again, workspace, files), partial(_metadata, url, files),
        rounds=scale.rounds, budget=scale.budget,
    )  # fmt: skip
    return Row(
        NAME_REAL, f"InvokeAI, {files} pictures", "s", pairs.ours,
        baseline=Baseline("bare reads", pairs.theirs), target_ratio=TARGET_RATIO,
    )  # fmt: skip


def _folder(path: Path, count: int) -> Path:
    small_tree(path, count)
    let_settle()
    return path


def _once(workspace: Workspace) -> str:
    return run(workspace.command("once", "--json"), timeout=TIMEOUT).output


def _again(workspace: Workspace, files: int) -> float:
    """Lose the state and come to be in step again; return the seconds that it took."""
    workspace.forget_state()
    told: dict[str, Any] = run(workspace.engine("once"), timeout=TIMEOUT).json()
    if told["uploaded"] or not told["good"]:
        raise BenchmarkFailed(f"with the state lost: {told}")
    require_synced(_once(workspace), files)
    return float(told["seconds"])


def _metadata(url: str, count: int) -> float:
    done = run(python("benchmarks.plain_metadata", url), timeout=TIMEOUT)
    told = json.loads(done.output)
    if told["read"] != count:
        raise BenchmarkFailed(f"{told['read']} of {count} images have metadata")
    return float(told["seconds"])
