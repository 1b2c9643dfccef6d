"""The search index inside a warm process: a program that is started to be measured.

    python -m benchmarks.finding_child INDEX FOLDER index
    python -m benchmarks.finding_child INDEX FOLDER scan
    python -m benchmarks.finding_child INDEX FOLDER plain
    python -m benchmarks.finding_child INDEX FOLDER search

Prints one line of JSON. Start and imports are not part of its times; opening the index is.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from boardsync.index.database import using
from boardsync.index.query import parse_query
from boardsync.index.records import Place
from boardsync.index.refresh import refresh
from boardsync.index.search import Order, Wanted, search
from boardsync.local.ignore import Rules
from boardsync.local.report import ScanReport
from boardsync.local.scan import scan

SEARCHES = 300
QUERIES = {
    "one word of a few pictures": "word{0}",
    "one word, the best first": "word{0}",
    "a word of all pictures": "masterpiece",
    "a word of all, the best first": "masterpiece",
    "words, model and not": "masterpiece word{0} model:sd_xl* -word{1}",
    "a seed": "seed:{2}",
    "seeds": "seed:{2}..{3}",
    "software": "software:automatic1111 word{0}",
    "a part of a path": "path:{1}-{1}",
    "a part of all paths": "path:.png",
    "a part of no path": "path:{1:07}",
    "a part of a path and a word": "path:{0}-{0} masterpiece",
    "two characters of no path": "path:zq",
    "a size": "size:832x1216",
}


def _index(index: Path, folder: Path) -> dict[str, Any]:
    done = refresh(index, Place(os.fsencode(folder)), Rules(pull_into=None))
    return {"read": done.read.read, "files": done.looked.files}


def _scan(_: Path, folder: Path) -> dict[str, Any]:
    return {"files": sum(1 for _ in scan(os.fsencode(folder), Rules(pull_into=None), ScanReport()))}


def _plain(_: Path, folder: Path) -> dict[str, Any]:
    return {"files": _walk(str(folder))}


def _walk(folder: str) -> int:
    files = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                files += _walk(entry.path)
            else:
                os.lstat(entry.path)
                files += 1
    return files


def _search(index: Path, _: Path) -> dict[str, Any]:
    """Search as the command does, each time with other words and the index opened anew."""
    told = {}
    for name, query in QUERIES.items():
        order = Order.RELEVANCE if "best" in name else Order.NEWEST
        seconds, busy = [], []
        for number in range(SEARCHES):
            words = (number * 7, number * 13 + 5, number * 331, number * 331 + 50)
            began, worked = time.perf_counter(), time.process_time()
            wanted = Wanted(parse_query(query.format(*words)), order=order)
            using(index, lambda opened, wanted=wanted: search(opened, wanted))
            seconds.append(time.perf_counter() - began)
            busy.append(time.process_time() - worked)
        cuts = quantiles(seconds, n=100)
        told[name] = {"p50": cuts[49], "p99": cuts[98], "processor p50": median(busy)}
    return told


WORK: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "index": _index,
    "scan": _scan,
    "plain": _plain,
    "search": _search,
}


def main() -> None:
    """Do one piece of work and print what it took."""
    parser = argparse.ArgumentParser(description="Run boardsync's index to be measured.")
    parser.add_argument("index", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", choices=WORK)
    options = parser.parse_args()
    began, worked = time.perf_counter(), time.process_time()
    told = WORK[options.work](options.index, options.folder)
    cost = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked}
    print(json.dumps({"told": told} | cost))


if __name__ == "__main__":
    main()
