"""The engine inside a warm process: a program that is started to be measured.

    python -m benchmarks.engine_child SETTINGS once
    python -m benchmarks.engine_child SETTINGS looks COUNT
    python -m benchmarks.engine_child SETTINGS index

Prints one line of JSON. Start, imports and opening the state are not part of its times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from boardsync.config.load import load
from boardsync.engine.assembly import Assembly
from boardsync.engine.observe_files import hash_settled, observe_folder
from boardsync.engine.once import once
from boardsync.engine.passes import Look
from boardsync.engine.service import carrying, opened
from boardsync.telemetry import logging


async def _once(assembly: Assembly, _: int) -> dict[str, Any]:
    """Time a pass and everything that comes of it, as `boardsync once` does it."""
    async with carrying(assembly):
        began = time.perf_counter()
        [result] = await once(assembly)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "uploaded": result.uploaded, "good": result.good}


async def _looks(assembly: Assembly, count: int) -> dict[str, Any]:
    """Time passes with nothing to do, one after the other."""
    [worker] = assembly.workers.values()
    seconds, cpu = [], []
    for _ in range(count):
        wall, busy = time.perf_counter(), time.process_time()
        await worker.reconciler.look(Look.everywhere("benchmark"))
        seconds.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - busy)
    return {"seconds": seconds, "cpu": cpu}


async def _index(assembly: Assembly, _: int) -> dict[str, Any]:
    """Time the first walk of a folder and the hashing of everything in it."""
    [mirror] = assembly.mirrors
    began = time.perf_counter()
    seen = await observe_folder(mirror)
    scanned = time.perf_counter() - began
    hashed, more, after = 0, True, b""
    while more:
        done = await hash_settled(mirror, after=after)
        hashed, more, after = hashed + len(done.paths), done.more, done.after
    seconds = time.perf_counter() - began
    return {"scan": scanned, "seconds": seconds, "seen": seen.changed, "hashed": hashed}


WORK: dict[str, Callable[[Assembly, int], Awaitable[dict[str, Any]]]] = {
    "once": _once,
    "looks": _looks,
    "index": _index,
}


async def _measure(config: Path, work: str, count: int) -> dict[str, Any]:
    async with opened(load(config).settings) as assembly:
        return await WORK[work](assembly, count)


def main() -> None:
    """Do one piece of work and print what it took."""
    parser = argparse.ArgumentParser(description="Run boardsync's engine to be measured.")
    parser.add_argument("config", type=Path)
    parser.add_argument("work", choices=WORK)
    parser.add_argument("count", type=int, nargs="?", default=1)
    options = parser.parse_args()
    logging.configure("warning", "json", sys.stderr)
    print(json.dumps(asyncio.run(_measure(options.config, options.work, options.count))))


if __name__ == "__main__":
    main()
