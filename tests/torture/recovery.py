"""How long a daemon takes, after a kill in the middle, until what was left is in step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from boardsync.formats import PNG
from picture_samples import sample
from torture.boards import DirectoryBoard
from torture.findings import Finding, Kind
from torture.ledger import digest_of
from torture.world import World
from torture.writing import visible

FILES = 3000
FOLDERS = 10
SIZE = (35, 38)
SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """left: files to go at the kill. seconds: from the start until in step; None: never."""

    left: int
    seconds: float | None
    findings: list[Finding]

    @property
    def words(self) -> str:
        """Say it in one line."""
        taken = "never in step" if self.seconds is None else f"in step after {self.seconds:.1f} s"
        return f"recovery: killed with {self.left} files to go; {taken}"


def recovery(base: Path, files: int) -> Recovery:
    """Measure it with so many files to go, on a directory server.

    A third more files are there: the kill comes when so many are on the board, and what is to
    go then is counted. Raises TimeoutError when they do not get there.
    """
    base.mkdir()
    board = DirectoryBoard(base / "boards")
    world = World(base, board, seed=0)
    total = files + files // 3
    _fill(world, total)
    world.daemon.start()
    try:
        there = _kill_when(world, board, total - files)
        world.daemon.start()
        seconds = world.daemon.wait_until_synced(total, SECONDS)
    finally:
        world.daemon.stop()
    findings = world.look().findings
    if seconds is None:
        findings.append(Finding(Kind.STUCK, f"not in step within {SECONDS:.0f} s; see {base}"))
    return Recovery(total - there, seconds, findings)


def _fill(world: World, count: int) -> None:
    """Write so many pictures of 4 KiB, the size that other programs were measured with."""
    for number in range(count):
        content = sample(PNG, "RGB", SIZE, seed=number)
        path = f"{number % FOLDERS}/{number:05}.png"
        (world.folder / path).parent.mkdir(exist_ok=True)
        (world.folder / path).write_bytes(content)
        world.ledger.wrote(path, digest_of(content))


def _kill_when(world: World, board: DirectoryBoard, count: int) -> int:
    """Kill the daemon once so many items are on the board; return how many there were."""
    end = time.monotonic() + SECONDS
    while (there := sum(1 for _ in visible(board.path))) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"only {there} items on the board after {SECONDS:.0f} s")
        time.sleep(0.05)
    world.daemon.kill()
    return sum(1 for _ in visible(board.path))
