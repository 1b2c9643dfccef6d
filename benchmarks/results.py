"""What a benchmark gives back: rows of a table, each with its baseline and its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import median
from typing import Any


class Better(StrEnum):
    """Which way a number should go."""

    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same work done by something plainer, measured in the same run."""

    name: str
    rounds: tuple[float, ...]

    @property
    def value(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True, slots=True)
class Row:
    """One number: the median of its rounds.

    target: what the value should reach. target_ratio: what it should reach in multiples of
    the baseline. Neither: the number is told for what it is.
    """

    benchmark: str
    case: str
    unit: str
    rounds: tuple[float, ...]
    better: Better = Better.LESS
    baseline: Baseline | None = None
    target: float | None = None
    target_ratio: float | None = None

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def ratio(self) -> float | None:
        """The value in multiples of the baseline; None without one, or with one of zero."""
        if self.baseline is None or self.baseline.value == 0:
            return None
        return self.value / self.baseline.value

    @property
    def met(self) -> bool | None:
        """Whether all targets are reached; None when there is none."""
        pairs = [(self.value, self.target), (self.ratio, self.target_ratio)]
        asked = [(got, wanted) for got, wanted in pairs if wanted is not None]
        if not asked:
            return None
        return all(got is not None and self._reaches(got, wanted) for got, wanted in asked)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        baseline = None
        if self.baseline is not None:
            baseline = asdict(self.baseline) | {"value": self.baseline.value}
        told = asdict(self) | {"baseline": baseline, "better": self.better.value}
        return told | {"value": self.value, "ratio": self.ratio, "met": self.met}

    def _reaches(self, got: float, wanted: float) -> bool:
        return got >= wanted if self.better is Better.MORE else got <= wanted


@dataclass(frozen=True, slots=True)
class Skipped:
    """A benchmark that could not run here, and what to do about it."""

    benchmark: str
    reason: str


Results = Sequence[Row | Skipped]
