"""The command: `python -m sim --seeds N`, after every seed that ever failed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain

from sim.history import Report, run
from sim.many import fresh_seeds, known_seeds, lived_through


def main(arguments: Sequence[str] | None = None) -> int:
    """Live through histories; print each that failed and go on; 1 when any did."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed, verbose=options.verbose)
    began, count, failed = time.monotonic(), 0, []
    seeds = chain(known_seeds(), fresh_seeds(options.seeds, options.start))
    for report in lived_through(_in_time(seeds, options.minutes), options.jobs):
        count += 1
        if report.findings:
            failed.append(report.seed)
            _tell(report)
    print(f"{count} histories, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    if failed:
        print(f"again: make sim SEED={failed[0]}")
    return bool(failed)


def _one(seed: int, *, verbose: bool) -> int:
    report = run(seed)
    if verbose:
        print("\n".join(report.journal))
    _tell(report)
    return bool(report.findings)


def _in_time(seeds: Iterator[int], minutes: float | None) -> Iterator[int]:
    """Yield seeds until the time is over."""
    began = time.monotonic()
    for seed in seeds:
        if minutes is not None and time.monotonic() - began > minutes * 60:
            return
        yield seed


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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many processes")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--verbose", action="store_true", help="with --seed: tell everything")
    return parser


if __name__ == "__main__":
    sys.exit(main())
