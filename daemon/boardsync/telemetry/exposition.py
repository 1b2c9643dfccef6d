"""The numbers as Prometheus reads them: its text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from boardsync.telemetry.counters import Distribution, Sample
from boardsync.telemetry.names import Counter, Histogram, Metric
from boardsync.telemetry.rendering import readable_text

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def kind_of(metric: Metric) -> str:
    """Return Prometheus' word for what a metric is."""
    if isinstance(metric, Histogram):
        return "histogram"
    return "counter" if isinstance(metric, Counter) else "gauge"


def exposed(samples: Iterable[Sample]) -> str:
    """Write samples, which are ordered by their metrics."""
    lines: list[str] = []
    for metric, values in groupby(samples, key=lambda sample: sample.metric):
        lines += [
            f"# HELP {metric.name} {metric.meaning}",
            f"# TYPE {metric.name} {kind_of(metric)}",
        ]
        for one in values:
            lines += _written(one)
    return "".join(f"{line}\n" for line in lines)


def _written(one: Sample) -> Iterator[str]:
    pairs = list(zip(one.metric.labels, one.labels, strict=True))
    if not isinstance(one.value, Distribution):
        yield f"{one.metric.name}{_labels(pairs)} {one.value}"
        return
    assert isinstance(one.metric, Histogram)  # noqa: S101
    limits = [*map(str, one.metric.limits), "+Inf"]
    for limit, count in zip(limits, [*one.value.at_most, one.value.count], strict=True):
        yield f"{one.metric.name}_bucket{_labels([*pairs, ('le', limit)])} {count}"
    yield f"{one.metric.name}_sum{_labels(pairs)} {one.value.total}"
    yield f"{one.metric.name}_count{_labels(pairs)} {one.value.count}"


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{name}="{_escaped(text)}"' for name, text in pairs)
    return f"{{{written}}}" if written else ""


def _escaped(text: str) -> str:
    return readable_text(text).replace("\\", "\\\\").replace('"', '\\"')
