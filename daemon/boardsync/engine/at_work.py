"""How far a long comparison is, for whoever waits: read from other threads, written by the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOOKING = "looking"
COMPARING = "comparing"


@dataclass(slots=True)
class Progress:
    """One mirror whose pictures are being compared.

    doing: looking at both sides, or comparing. done, total: files that are prepared and items
    that are fetched to be compared; no total while it is not known.
    """

    mirror: str
    doing: str = LOOKING
    done: int = 0
    total: int | None = None

    def compare(self, total: int) -> None:
        """Say how much there is to compare."""
        self.total = total
        self.doing = COMPARING

    def step(self, count: int = 1) -> None:
        """Count what was looked at."""
        self.done += count


AtWork = list[Progress]
"""What is being compared just now."""


@contextmanager
def told_in(at_work: AtWork | None, mirror: str) -> Iterator[Progress]:
    """Have the progress of a mirror among those at work while the body runs."""
    progress = Progress(mirror)
    if at_work is None:
        yield progress
        return
    at_work.append(progress)
    try:
        yield progress
    finally:
        # By identity: another one of the same mirror may stand at the same numbers.
        at_work[:] = [one for one in at_work if one is not progress]
