"""How long a failed transfer waits: growing, capped, spread, and replayable."""

from __future__ import annotations

import hashlib

FIRST_SECONDS = 1.0
CAP_SECONDS = 900.0
READING_CAP_SECONDS = 300.0
"""A disk that gives again what it held is noticed within about so long."""
SPREAD = 0.25


def delay_seconds(
    attempt: int, key: str, *, asked: float | None = None, cap: float = CAP_SECONDS
) -> float:  # fmt: skip
    """Return the seconds before the next attempt; `attempt` counts from 1.

    key: spreads different transfers apart, the same one always alike. asked: the other side's
    Retry-After, which is a lower bound.
    """
    base = min(cap, FIRST_SECONDS * 2.0 ** min(attempt - 1, 20))
    sample = hashlib.sha256(f"{key}:{attempt}".encode()).digest()[0] / 255
    return max(asked or 0.0, base * (1 + SPREAD * (2 * sample - 1)))


def reading_delay_seconds(attempt: int, key: str) -> float:
    """Return the seconds before a file that could not be read is read again."""
    return delay_seconds(attempt, key, cap=READING_CAP_SECONDS)
