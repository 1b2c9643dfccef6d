"""The command: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.finding import finding
from benchmarks.first_index import first_index
from benchmarks.idle_beside_syncthing import idle_beside_syncthing
from benchmarks.idle_pass import idle_pass
from benchmarks.lost_state import lost_state, lost_state_real
from benchmarks.memory_idle import memory_idle
from benchmarks.processes import BenchmarkFailed
from benchmarks.results import Results, Row, Skipped
from benchmarks.scale import Scale, quick_scale
from benchmarks.slow_writers import slow_writers, slow_writers_real
from benchmarks.synced import Shared
from benchmarks.table import as_json, table
from benchmarks.upload import upload_fake, upload_real
from benchmarks.workspace import temporary_directory

Benchmark = Callable[[Scale, Shared], Results]

BENCHMARKS: dict[str, Benchmark] = {
    "upload-real": lambda scale, _: upload_real(scale),
    "upload-fake": lambda scale, _: upload_fake(scale),
    "lost-state": lambda scale, _: lost_state(scale),
    "lost-state-real": lambda scale, _: lost_state_real(scale),
    "first-index": first_index,
    "finding": lambda scale, _: finding(scale),
    "idle-pass": idle_pass,
    "memory-idle": memory_idle,
    "slow-writers": lambda scale, _: slow_writers(scale),
    "slow-writers-real": lambda scale, _: slow_writers_real(scale),
    "idle-beside-syncthing": idle_beside_syncthing,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks, print a table, and return an exit code: 1 when one could not be run."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    scale = _scale(options)
    results, failed = _run_all(options.names or list(BENCHMARKS), scale)
    print(table(results))
    if options.json is not None:
        told = json.dumps(as_json(results, quick=scale.quick), indent=2)
        options.json.write_text(told + "\n")
    return 1 if failed else 0


def _run_all(names: Sequence[str], scale: Scale) -> tuple[Results, bool]:
    """Run benchmarks one after the other; tell whether one could not be run."""
    results: list[Row | Skipped] = []
    failed = False
    with temporary_directory() as base:
        shared = Shared(base, scale)
        for name in names:
            began = time.monotonic()
            try:
                measured = BENCHMARKS[name](scale, shared)
                results += [_untargeted(one) for one in measured] if scale.quick else measured
            except BenchmarkFailed as error:
                failed = True
                print(f"{name}: failed: {error}", file=sys.stderr)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results, failed


def _untargeted(one: Row | Skipped) -> Row | Skipped:
    """Take the targets off: a few files tell nothing about them."""
    return replace(one, target=None, target_ratio=None) if isinstance(one, Row) else one


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure boardsync beside plainer programs."
    )
    known = ", ".join(BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; all by default: {known}")
    parser.add_argument(
        "--files", type=int, metavar="N", help="files in the big folder; slow writers, up to 1000"
    )
    parser.add_argument(
        "--idle-seconds", type=float, metavar="N", help="how long programs rest side by side"
    )
    parser.add_argument("--quick", action="store_true", help="only see that everything works")
    parser.add_argument("--real", action="store_true", help="install an InvokeAI if need be")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    return parser


def _scale(options: argparse.Namespace) -> Scale:
    scale = quick_scale() if options.quick else Scale()
    if options.files is not None:
        scale = replace(scale, files=options.files)
    if options.idle_seconds is not None:
        scale = replace(scale, together=options.idle_seconds)
    return replace(scale, real_asked=options.real)


if __name__ == "__main__":
    sys.exit(main())
