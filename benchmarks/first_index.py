"""The first look at a folder: a walk, and SHA-256 of everything, recorded durably.

Beside it a loop with `os.scandir` and `hashlib` that keeps the digests in memory.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import BenchmarkFailed, python, run
from benchmarks.results import Baseline, Results, Row
from benchmarks.rounds import alternate
from benchmarks.scale import Scale
from benchmarks.synced import Shared
from benchmarks.workspace import Workspace, temporary_directory, with_directory_server

NAME = "first-index"
TIMEOUT = 600.0
TARGET_FILES = 100_000
TARGET_SECONDS = 8.0


def first_index(scale: Scale, shared: Shared) -> Results:
    """Measure scan and hashing with a fresh state."""
    folder = shared.folder()
    with temporary_directory() as base:
        workspace = with_directory_server(base, folder)
        pairs = alternate(
            lambda: _index(workspace, scale.files), lambda: _plain(folder, scale.files),
            rounds=scale.rounds, budget=scale.budget,
        )  # fmt: skip
    target = TARGET_SECONDS if scale.files == TARGET_FILES else None
    baseline = Baseline("scandir+sha256", pairs.theirs)
    return [Row(NAME, "walk and SHA-256", "s", pairs.ours, baseline=baseline, target=target)]


def _index(workspace: Workspace, files: int) -> float:
    workspace.forget_state()
    told = run(workspace.engine("index"), timeout=TIMEOUT).json()
    return _seconds(told, files)


def _plain(folder: Path, files: int) -> float:
    told = run(python("benchmarks.plain_index", str(folder)), timeout=TIMEOUT).json()
    return _seconds(told, files)


def _seconds(told: dict[str, float], files: int) -> float:
    if told["hashed"] != files:
        raise BenchmarkFailed(f"{told['hashed']} of {files} files were hashed")
    return told["seconds"]
