"""Counts: a dictionary and a lock, because any thread may count and anyone may read.

It knows no exporter. What can be counted is declared in `boardsync.telemetry.names`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from boardsync.errors import Bug
from boardsync.telemetry.names import Counter, Gauge, Metric

_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, with the labels it was counted under, in the metric's own order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Counters:
    """A registry of numbers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[_Key, float] = {}
        self._metrics: dict[str, Metric] = {}

    def add(self, counter: Counter, amount: float = 1, /, **labels: str) -> None:
        """Count. Raises Bug for a negative amount and for labels that were not declared."""
        if amount < 0:
            raise Bug(f"{counter.name} only grows, and {amount} would take from it; report this.")
        key = _key(counter, labels)
        with self._lock:
            self._metrics[counter.name] = counter
            self._values[key] = self._values.get(key, 0) + amount

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
        """Return one value; zero if nothing was counted yet."""
        key = _key(metric, labels)
        with self._lock:
            return self._values.get(key, 0)

    def samples(self) -> list[Sample]:
        """Return all values as they are at one moment, ordered by name and labels."""
        with self._lock:
            values = dict(self._values)
            metrics = dict(self._metrics)
        return [
            Sample(metrics[name], labels, values[name, labels]) for name, labels in sorted(values)
        ]


def _key(metric: Metric, labels: dict[str, str]) -> _Key:
    if labels.keys() != set(metric.labels):
        raise Bug(
            f"{metric.name} is counted by {', '.join(metric.labels) or 'nothing'}, "
            f"not by {', '.join(sorted(labels)) or 'nothing'}; report this."
        )
    return metric.name, tuple(labels[label] for label in metric.labels)


counters = Counters()
"""The numbers of this process."""
