"""Which board a path's picture belongs on, in SQL: `plan.layout.Layout`, for a million rows.

A link or a transfer to another board settles nothing: the settings say otherwise now.
"""

from __future__ import annotations

from typing import Any

from boardsync.plan.layout import Layout


def home_of(path: str) -> str:
    """Return an expression for the number of the board that a path's picture belongs on.

    path: a column, as in `f.path`. Takes the parameters of `home_values`, and `:mirror`.
    """
    return (
        "(SELECT home.id FROM board home WHERE home.mirror = :mirror AND home.current"
        f" AND home.subfolder = {subfolder_of(path)})"
    )


def subfolder_of(path: str) -> str:
    """Return an expression for the subfolder of that board. Takes the parameters, too."""
    return (
        f"CASE WHEN :by_subfolder AND instr({path}, x'2f') > 0"
        f" AND substr({path}, 1, length(:pulled)) <> :pulled"
        f" THEN substr({path}, 1, instr({path}, x'2f') - 1) ELSE x'' END"
    )


def home_values(mirror: int, layout: Layout) -> dict[str, Any]:
    """Return the parameters that `home_of` takes."""
    into = layout.pull_into
    # No path begins with a slash: without pulls nothing lies in their area.
    pulled = b"/" if into is None else into + b"/"
    return {"mirror": mirror, "by_subfolder": layout.by_subfolder, "pulled": pulled}
