"""The command: `python -m torture --kills N --server directory|invokeai|fake`."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from real.invokeai_server import RealInvokeAI
from real.tcp_proxy import FaultProxy
from servers.fake_invokeai import FakeInvokeAI
from torture.boards import DirectoryBoard, InvokeAIBoard
from torture.hands import HABITS
from torture.recovery import FILES, recovery
from torture.rounds import Plan, torture
from torture.table import findings, moments, table
from torture.world import World

KINDS = ("directory", "invokeai", "fake")


def main(arguments: Sequence[str] | None = None) -> int:
    """Torture one mirror, print what came of it; 1 when something was found to be wrong."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    base = Path(tempfile.mkdtemp(prefix="boardsync-torture-"))
    print(f"seed {seed}, {options.server}, in {base}", flush=True)
    plan = Plan(options.kills, options.minutes, options.every)
    with _world(base, options.server, seed, options.without) as world:
        report = torture(world, plan, _tell)
    print(table(options.server, report))
    print(moments(report))
    if options.recovery and options.server == "directory":
        measured = recovery(base / "recovery", options.recovery)
        print(measured.words)
        report.findings += measured.findings
    if report.findings:
        print(findings(report), file=sys.stderr)
        print(f"seed {seed}; everything is kept in {base}", file=sys.stderr)
        return 1
    shutil.rmtree(base)
    return 0


@contextmanager
def _world(base: Path, kind: str, seed: int, without: Collection[str]) -> Iterator[World]:
    """Make a mirror and the server that it needs."""
    if kind == "directory":
        yield World(base, DirectoryBoard(base / "boards"), seed, without=without)
        return
    with _server(base, kind) as port, FaultProxy(port, seed=seed, seconds=86_400) as proxy:
        board = InvokeAIBoard(f"http://127.0.0.1:{port}", proxy.url)
        with closing(board):
            yield World(base, board, seed, proxy, without)


@contextmanager
def _server(base: Path, kind: str) -> Iterator[int]:
    """Run a server until the block ends; give its port."""
    if kind == "fake":
        fake = FakeInvokeAI()
        with fake.in_thread():
            yield int(fake.url.rpartition(":")[2])
        return
    server = RealInvokeAI(base / "invokeai").start()
    try:
        yield server.port
    finally:
        server.stop()


def _stop(number: int, _: object) -> None:
    """End as after Ctrl-C: no process is left behind."""
    raise SystemExit(128 + number)


def _tell(words: str) -> None:
    print(f"  {words}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m torture", description="Kill daemons at work, and count what is lost."
    )
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many")
    parser.add_argument("--server", choices=KINDS, default="directory", help="what is mirrored to")
    parser.add_argument("--seed", type=int, metavar="N", help="what to do again; by default new")
    parser.add_argument("--minutes", type=float, default=600, metavar="N", help="at most so long")
    parser.add_argument("--every", type=int, default=5, metavar="N", help="kills before a look")
    parser.add_argument(
        "--without", choices=sorted(HABITS), nargs="*", default=(), metavar="HABIT",
        help=f"what is not done to files: {', '.join(HABITS)}",
    )  # fmt: skip
    parser.add_argument(
        "--recovery", type=int, default=FILES, metavar="FILES",
        help="on a directory, also measure a start after a kill with so many files to go; or 0",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
