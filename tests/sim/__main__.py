"""The command: `python -m sim --seeds N`, after every seed that ever failed."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sim.history import Report, run

SEEDS = Path(__file__).with_name("seeds.txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Live through histories; print each that failed and go on; 1 when any did."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        report = run(options.seed)
        print("\n".join(report.journal) if options.verbose else "")
        _tell(report)
        return bool(report.findings)
    began, failed, count = time.monotonic(), 0, 0
    for seed in [*known_seeds(), *fresh_seeds(options.seeds, options.start)]:
        if options.minutes and time.monotonic() - began > options.minutes * 60:
            break
        report = run(seed)
        count += 1
        if report.findings:
            failed += 1
            _tell(report)
    seconds = time.monotonic() - began
    print(f"{count} histories, {failed} failed, {seconds:.0f} s")
    return bool(failed)


def known_seeds() -> list[int]:
    """Return every seed that ever failed."""
    lines = SEEDS.read_text().splitlines()
    return [int(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def fresh_seeds(count: int, start: int | None = None) -> Iterator[int]:
    """Yield seeds that nobody chose, or those from a start on."""
    if start is not None:
        yield from range(start, start + count)
        return
    source = random.SystemRandom()
    for _ in range(count):
        yield source.randrange(1 << 32)


def _tell(report: Report) -> None:
    for finding in report.findings:
        print(f"seed {report.seed}: {finding}", flush=True)
    if not report.findings:
        print(f"seed {report.seed}: fine, {report.digest}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="so many fresh seeds")
    parser.add_argument("--start", type=int, help="count fresh seeds from here on")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--verbose", action="store_true", help="with --seed: tell everything")
    return parser


if __name__ == "__main__":
    sys.exit(main())
