"""The search index of a large folder: made, brought up to date with nothing new, and searched.

Beside each look stands a bare walk with `os.scandir` and `os.lstat`, and boardsync's own scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.pictures import telling_tree
from benchmarks.processes import BenchmarkFailed, Done, python, run
from benchmarks.results import Baseline, Results, Row
from benchmarks.scale import Scale
from benchmarks.workspace import let_settle, temporary_directory

NAME = "finding"
TIMEOUT = 3600.0
MEBIBYTE = 1 << 20
KINDS = ("plain", "scan", "index")
TARGET_RATIO = 1.0
"""Of the scan that the daemon makes of a folder, by the processor."""
TARGET_MILLISECONDS = 10.0
WITHOUT_TARGET = "two characters of no path"
"""Goes through all paths."""


def finding(scale: Scale) -> Results:
    """Measure indexing, searching and grouping of a folder whose pictures tell of themselves."""
    with temporary_directory() as base:
        folder = base / "telling"
        telling_tree(folder, scale.files)
        let_settle()
        return [*_indexing(scale, base / "cache", folder), *_grouping(folder)]


def _indexing(scale: Scale, place: Path, folder: Path) -> Iterator[Row]:
    index = place / "index.db"
    first = _child(index, folder, "index")
    told = first.json()
    if told["told"]["read"] != scale.files:
        raise BenchmarkFailed(f"{told['told']['read']} of {scale.files} pictures were read")
    yield Row(NAME, "first index", "s", (told["seconds"],))
    yield Row(NAME, "first index, processor", "s", (told["cpu"],))
    yield Row(NAME, "first index, peak memory", "MiB", (first.cost.peak / MEBIBYTE,))
    size = sum(path.stat().st_size for path in place.glob("index.db*"))
    yield Row(NAME, "on disk", "MiB", (size / MEBIBYTE,))
    rounds = [_round(index, folder, number) for number in range(scale.rounds)]
    for words, unit in (("nothing new", "seconds"), ("nothing new, processor", "cpu")):
        plain, scan, again = (tuple(one[kind][unit] for one in rounds) for kind in KINDS)
        yield Row(NAME, words, "s", again, baseline=Baseline("scandir+lstat", plain))
        ours = Baseline("our scan", scan)
        target = TARGET_RATIO if unit == "cpu" else None
        yield Row(NAME, f"{words}, too", "s", again, baseline=ours, target_ratio=target)
    for name, found in _child(index, folder, "search").json()["told"].items():
        for share, seconds in found.items():
            aimed = share.startswith("processor") and name != WITHOUT_TARGET
            target = TARGET_MILLISECONDS if aimed else None
            yield Row(NAME, f"{name}, {share}", "ms", (seconds * 1000,), target=target)


def _grouping(folder: Path) -> Iterator[Row]:
    for case, options in (("names only", ["--names-only"]), ("data read", [])):
        command = python("boardsync", "groups", "--recursive", *options, str(folder))
        done = run(command, timeout=TIMEOUT)
        yield Row(NAME, f"groups, {case}", "s", (done.cost.wall,))
        yield Row(NAME, f"groups, {case}, peak memory", "MiB", (done.cost.peak / MEBIBYTE,))


def _round(index: Path, folder: Path, number: int) -> dict[str, dict[str, float]]:
    """Measure the three walks, each first in turn."""
    order = [KINDS[(place + number) % len(KINDS)] for place in range(len(KINDS))]
    return {kind: _child(index, folder, kind).json() for kind in order}


def _child(index: Path, folder: Path, work: str) -> Done:
    return run(
        python("benchmarks.finding_child", str(index), str(folder), work), timeout=TIMEOUT
    )  # fmt: skip
