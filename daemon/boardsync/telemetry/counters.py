"""Counts: a dictionary and a lock, because any thread may count and anyone may read.

It knows no exporter. What can be counted is declared in `boardsync.telemetry.names`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from boardsync.errors import Bug
from boardsync.telemetry.names import Counter, Gauge, Histogram, Metric

_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram holds. at_most: how many values each of its limits covers."""

    at_most: tuple[int, ...]
    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, with the labels it was counted under, in the metric's own order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Distribution


class _Tallied:
    """The values of one histogram so far: how many fell below each limit and above the last."""

    def __init__(self, histogram: Histogram) -> None:
        self.each = [0] * (len(histogram.limits) + 1)
        self.total = 0.0

    def distribution(self) -> Distribution:
        *at_most, count = accumulate(self.each)
        return Distribution(tuple(at_most), count, self.total)


class Counters:
    """A registry of numbers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[_Key, float] = {}
        self._tallied: dict[_Key, _Tallied] = {}
        self._metrics: dict[str, Metric] = {}

    def add(self, counter: Counter, amount: float = 1, /, **labels: str) -> None:
        """Count. With 0 it is told from now on: a number that appears at 1 shows no growth.

        Raises Bug for a negative amount and for labels that were not declared.
        """
        if amount < 0:
            raise Bug(f"{counter.name} only grows, and {amount} would take from it; report this.")
        key = _key(counter, labels)
        with self._lock:
            self._metrics[counter.name] = counter
            self._values[key] = self._values.get(key, 0) + amount

    def observe(self, histogram: Histogram, value: float, /, **labels: str) -> None:
        """Sort a value into a histogram. Raises Bug for labels that were not declared."""
        key = _key(histogram, labels)
        with self._lock:
            self._metrics[histogram.name] = histogram
            tallied = self._tallied.get(key)
            if tallied is None:
                tallied = self._tallied[key] = _Tallied(histogram)
            tallied.each[bisect_left(histogram.limits, value)] += 1
            tallied.total += value

    def set(self, gauge: Gauge, value: float, /, **labels: str) -> None:
        """Record a measurement. Raises Bug for labels that were not declared."""
        key = _key(gauge, labels)
        with self._lock:
            self._metrics[gauge.name] = gauge
            self._values[key] = value

    def forget(self, gauge: Gauge, /, **labels: str) -> None:
        """Drop a measurement whose subject is gone, so that it is not reported for ever."""
        key = _key(gauge, labels)
        with self._lock:
            self._values.pop(key, None)

    def value(self, metric: Metric, /, **labels: str) -> float:
        """Return one value; zero if nothing was counted yet. Of a histogram, how many."""
        key = _key(metric, labels)
        with self._lock:
            if key in self._tallied:
                return sum(self._tallied[key].each)
            return self._values.get(key, 0)

    def samples(self) -> list[Sample]:
        """Return all values as they are at one moment, ordered by name and labels."""
        with self._lock:
            values: dict[_Key, float | Distribution] = dict(self._values)
            values |= {key: one.distribution() for key, one in self._tallied.items()}
            metrics = dict(self._metrics)
        return in_order(Sample(metrics[key[0]], key[1], value) for key, value in values.items())


def sample(metric: Metric, value: float, /, **labels: str) -> Sample:
    """Return a measurement that nobody keeps. Raises Bug for labels that were not declared."""
    return Sample(metric, _key(metric, labels)[1], value)


def in_order(samples: Iterable[Sample]) -> list[Sample]:
    """Order samples by name and labels, as they are exported."""
    return sorted(samples, key=lambda one: (one.metric.name, one.labels))


def _key(metric: Metric, labels: dict[str, str]) -> _Key:
    if labels.keys() != set(metric.labels):
        raise Bug(
            f"{metric.name} is counted by {', '.join(metric.labels) or 'nothing'}, "
            f"not by {', '.join(sorted(labels)) or 'nothing'}; report this."
        )
    return metric.name, tuple(labels[label] for label in metric.labels)


counters = Counters()
"""The numbers of this process."""
