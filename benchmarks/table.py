"""Shows results: a table for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.results import Better, Results, Row, Skipped

HEADINGS = ("benchmark", "case", "boardsync", "baseline", "", "ratio", "target", "")


def table(results: Results) -> str:
    """Return the results as lines of aligned columns."""
    rows = [_cells(one) for one in results if isinstance(one, Row)]
    lines = list(_aligned([HEADINGS, *rows])) if rows else []
    lines += [
        f"{one.benchmark}: skipped: {one.reason}" for one in results if isinstance(one, Skipped)
    ]
    return "\n".join(lines)


def as_json(results: Results, *, quick: bool) -> dict[str, Any]:
    """Return the results, and where they were measured, as plain values."""
    return {
        "quick": quick,
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "results": [one.as_dict() for one in results if isinstance(one, Row)],
        "skipped": {one.benchmark: one.reason for one in results if isinstance(one, Skipped)},
    }


def number(value: float) -> str:
    """Write a number with three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if value >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"


def _cells(row: Row) -> tuple[str, ...]:
    baseline, name = ("", "")
    if row.baseline is not None:
        baseline, name = f"{number(row.baseline.value)} {row.unit}", row.baseline.name
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    verdict = {None: "", True: "met", False: "missed"}[row.met]
    value = f"{number(row.value)} {row.unit}"
    return (row.benchmark, row.case, value, baseline, name, ratio, _target(row), verdict)


def _target(row: Row) -> str:
    sign = ">=" if row.better is Better.MORE else "<="
    parts = []
    if row.target is not None:
        parts.append(f"{sign} {row.target:g} {row.unit}")
    if row.target_ratio is not None:
        parts.append(f"ratio {sign} {row.target_ratio:g}")
    return ", ".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
