"""Writes the reference of the metrics from their names: `python -m boardsync.telemetry.reference`.

The reference is checked in, and `--check` tells whether it still says what the names say.
"""

from __future__ import annotations

from collections.abc import Iterable

from boardsync.telemetry import names
from boardsync.telemetry.exposition import kind_of
from boardsync.telemetry.names import Histogram, Metric
from boardsync.telemetry.pages import write_or_compare

_BEGINNING = """\
# Metrics

This page is generated from the names of the metrics: `make docs` writes it, `make check` compares
it.

A running daemon answers `GET /metrics` in Prometheus' text format, on its Unix socket and, where
`http: listen` is set, on TCP ([http-api.md](http-api.md) tells how Prometheus is let in). A
dashboard for Grafana is in [grafana/boardsync.json](grafana/boardsync.json), rules for alerts are
in [prometheus/alerts.yml](prometheus/alerts.yml).

- A **mirror** is told by its name, a **server** by its name in the settings.
- Times are seconds, sizes are bytes, moments are seconds since 1970.
- Counters begin at zero with the process, unless they say otherwise.
- A gauge is measured when it is asked for. Only counting many pictures takes long; what was
  counted is told until it is counted anew, and `boardsync_mirror_counted_timestamp_seconds` says
  when that was. At a hundred thousand files that is some minutes ago, at a million about an hour.
"""
_SECTIONS = (
    ("Mirrors", ("mirror",)),
    ("Servers", ("server",)),
    ("The daemon itself", ()),
)


def reference(metrics: Iterable[Metric] = names.ALL) -> str:
    """Return the reference, in Markdown."""
    parts, left = [_BEGINNING], list(metrics)
    for title, labels in _SECTIONS:
        own = [one for one in left if one.labels[: len(labels)] == labels]
        left = [one for one in left if one not in own]
        parts.append(f"## {title}\n")
        parts.append(_table(own))
    return "\n".join(parts)


def _table(metrics: Iterable[Metric]) -> str:
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    rows += [_row(metric) for metric in metrics]
    return "\n".join(rows) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.meaning
    if isinstance(metric, Histogram):
        meaning += f" Limits: {', '.join(map(str, metric.limits))} s."
    return f"| `{metric.name}` | {kind_of(metric)} | {labels} | {meaning} |"


def main(arguments: list[str] | None = None) -> int:
    """Write the reference, or with `--check` only compare it; 1 means that it has drifted."""
    return write_or_compare(arguments, "the reference of the metrics", reference())


if __name__ == "__main__":
    raise SystemExit(main())
