"""Shows what came of the torture."""

from __future__ import annotations

import statistics
from collections import Counter

from torture.findings import Kind
from torture.rounds import Report

SHOWN = 50
"""Findings that are printed; the first ones tell enough."""


def table(server: str, report: Report) -> str:
    """Return the numbers as two lines of aligned columns."""
    values = {"server": server, "kills": report.kills, "pictures": report.pictures}
    values |= {"items": report.items, "of them old": report.old}
    values |= {kind.value: report.count(kind) for kind in Kind}
    if report.recoveries:
        values["recovery p50"] = f"{statistics.median(report.recoveries):.1f} s"
        values["max"] = f"{max(report.recoveries):.1f} s"
    cells = [(name, str(value)) for name, value in values.items()]
    widths = [max(map(len, pair)) for pair in cells]
    lines = zip(*cells, strict=True)
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def moments(report: Report) -> str:
    """Return when the kills struck, and what else went wrong to order."""
    lines = [f"kills: {_counted(report.aims)}"]
    if report.faults:
        lines.append(f"network: {_counted(report.faults)}")
    return "\n".join(lines)


def findings(report: Report) -> str:
    """Return what is wrong, one line each."""
    lines = [f"{one.kind.value}: {one.words}" for one in report.findings[:SHOWN]]
    if len(report.findings) > SHOWN:
        lines.append(f"... and {len(report.findings) - SHOWN} more")
    return "\n".join(lines)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
