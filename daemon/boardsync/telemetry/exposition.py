"""The numbers as Prometheus reads them: its text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from boardsync.telemetry.counters import Sample
from boardsync.telemetry.names import Counter, Metric
from boardsync.telemetry.rendering import readable_text

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposed(samples: Iterable[Sample]) -> str:
    """Write samples, which are ordered by their metrics."""
    lines: list[str] = []
    for metric, values in groupby(samples, key=lambda sample: sample.metric):
        kind = "counter" if isinstance(metric, Counter) else "gauge"
        lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {kind}"]
        lines += [f"{metric.name}{_labels(metric, one.labels)} {one.value}" for one in values]
    return "".join(f"{line}\n" for line in lines)


def _labels(metric: Metric, values: tuple[str, ...]) -> str:
    pairs = [f'{name}="{_escaped(text)}"' for name, text in zip(metric.labels, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str) -> str:
    return readable_text(text).replace("\\", "\\\\").replace('"', '\\"')
