"""Many histories, in several processes, and which seeds to take."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from sim.history import SEED_END, Report, run

SEEDS = Path(__file__).with_name("seeds.txt")
AHEAD = 4
"""Histories that are handed out for each process: the end of the time is not far away then."""


def lived_through(seeds: Iterable[int], jobs: int) -> Iterator[Report]:
    """Live through histories in several processes. Their reports come without the journals.

    What becomes of a seed does not depend on which process takes it, nor on what came before.
    """
    waiting = iter(seeds)
    # Forked from a process with threads, a child could wait for a lock that nobody holds.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        under_way = {pool.submit(briefly, seed) for seed in islice(waiting, AHEAD * jobs)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            under_way |= {pool.submit(briefly, seed) for seed in islice(waiting, len(done))}
            yield from (one.result() for one in done)


def killed_at(seed: int, steps: Iterable[int], jobs: int) -> Iterator[Report]:
    """Live through a history once for each of some steps of its first process, its last there."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(partial(briefly, seed), steps, chunksize=4)


def briefly(seed: int, first_death: int | None = None) -> Report:
    """Live through a history and keep only what was found."""
    report = run(seed, first_death)
    report.journal.clear()
    return report


def known_seeds() -> list[int]:
    """Return every seed that ever failed."""
    lines = SEEDS.read_text().splitlines()
    return [int(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def fresh_seeds(count: int, start: int | None = None, drawn_by: str = "") -> Iterator[int]:
    """Yield seeds that nobody chose, or those from a start on.

    drawn_by: a text, the same seeds for the same one; without it, others each time.
    """
    if start is not None:
        yield from range(start, start + count)
        return
    source = random.Random(drawn_by) if drawn_by else random.SystemRandom()
    for _ in range(count):
        yield source.randrange(SEED_END)
