"""Lanczos in plain numbers, written for the tests: what Pillow computes is compared with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = list[list[float]]


def shrink(pixels: Sequence[Row], size: tuple[int, int]) -> list[Row]:
    """Resize rows of pixels, each a list of samples."""
    width, height = size
    narrow = [_along(row, width) for row in pixels]
    columns = [[row[x] for row in narrow] for x in range(width)]
    shrunk = [_along(column, height) for column in columns]
    return [[shrunk[x][y] for x in range(width)] for y in range(height)]


def _along(line: Row, length: int) -> Row:
    scale = len(line) / length
    reach = 3 * max(1.0, scale)
    made = []
    for place in range(length):
        centre = (place + 0.5) * scale
        first, last = max(0, int(centre - reach + 0.5)), min(len(line), int(centre + reach + 0.5))
        weights = [_kernel((x + 0.5 - centre) / max(1.0, scale)) for x in range(first, last)]
        whole = sum(weights)
        made.append(
            [
                sum(w * line[first + n][band] for n, w in enumerate(weights)) / whole
                for band in range(len(line[0]))
            ]
        )
    return made


def _kernel(x: float) -> float:
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2
