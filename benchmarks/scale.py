"""How much a run measures: the whole, or just enough to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Amounts. Times in seconds.

    files: of the big folder. large, small: uploads of a round. lost: pictures whose state is lost.
    together: how long programs rest side by side. rest_window: how long they must have been calm
    before; longer than the longest time between two looks at a board. writers: slow ones, of
    which one begins each writers_gap, and rests up to writers_rest between its steps.
    """

    files: int = 100_000
    large: int = 200
    small: int = 600
    small_fake: int = 500
    lost: int = 10_000
    lost_real: int = 2000
    rounds: int = 5
    budget: float = 90.0
    idle_wait: float = 10.0
    idle_window: float = 20.0
    together: float = 600.0
    rest_window: float = 75.0
    writers: int = 1000
    writers_gap: float = 0.4
    writers_rest: float = 6.0
    first_pass_timeout: float = 3600.0
    real_asked: bool = False
    quick: bool = False


def quick_scale() -> Scale:
    """Return the smallest amounts that still exercise everything."""
    return Scale(
        files=300, large=2, small=8, small_fake=16, lost=40, lost_real=8, rounds=1, budget=5.0,
        idle_wait=0.5, idle_window=1.0, together=2.0, rest_window=0.5, writers=16,
        writers_gap=0.1, writers_rest=1.0, quick=True,
    )  # fmt: skip
