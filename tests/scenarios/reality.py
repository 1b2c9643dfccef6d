"""What the scenarios share that use real processes: their size, and a mirror into a directory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boardsync.formats import PNG
from cli.place_kit import Daemon, Place, tree
from picture_samples import sample

SCALE = float(os.environ.get("SCENARIO_SCALE", "0.2"))
_CONTENT = sample(PNG, "RGB", (8, 8), seed=1)


def scaled(full: int) -> int:
    """Return how many of something there are in this run."""
    return max(1, round(full * SCALE))


def small(number: int) -> bytes:
    """Return another file of the same small picture: bytes behind the end make it one."""
    return _CONTENT + b"%d" % number


class Kept(Place):
    """A mirror into a directory, driven from outside."""

    def told(self) -> dict[str, Any]:
        return self.json("status")["mirrors"][0]

    def once(self) -> dict[str, Any]:
        return self.json("once")["mirrors"][0]

    def items(self) -> dict[str, bytes]:
        return tree(self.boards / "Board")

    @contextmanager
    def living(self) -> Iterator[Daemon]:
        """Run the daemon, and say what it logged last when the block fails."""
        with self.daemon() as daemon:
            try:
                yield daemon
            except BaseException:
                print("\n".join(daemon.told().splitlines()[-30:]))
                raise


def wait(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is true; return how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - began


def names_in(folder: Path) -> int:
    """Count the visible files below a folder without reading them."""
    count = 0
    for _, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        count += sum(not name.startswith(".") for name in names)
    return count
