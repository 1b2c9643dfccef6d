"""JPEG 2000: the boxes of a JP2 and the tile-parts of the codestream inside.

Layout: ITU T.800, annexes A (codestream) and I (boxes).
"""

from __future__ import annotations

import re
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.boxes import boxes
from boardsync.formats.verdict import Extent, Proof, number

_START, _SIZE, _TILE_PART, _END = 0xFF4F, 0xFF51, 0xFF90, 0xFFD9
_SHORTEST_TILE_PART = 14
_MOST_SEGMENTS: Final = 1_000_000
_END_MARK: Final = re.compile(rb"\xff\xd9")
"""Compressed data never holds a code above FF8F, so the first of these is the mark."""


def walk(content: memoryview) -> Extent:
    """Find the end of a JP2 file or a bare codestream. Raises PictureRefused."""
    if bytes(content[:2]) == b"\xff\x4f":
        return _walk_codestream(content, 0)
    inner: Extent | None = None
    end = 0
    for box in boxes(content, 0, len(content)):
        end = box.end
        if box.kind == b"jp2c":
            inner = _walk_codestream(content[: box.end], box.start)
    if inner is None:
        raise PictureRefused("cut short: the box with the pixels is missing (jp2c)")
    return Extent(end, Proof.END_MARK, inner.width, inner.height)


def _walk_codestream(content: memoryview, position: int) -> Extent:
    size: tuple[int, int] | None = None
    if number(content, position, 2, "big", "the codestream") != _START:
        raise PictureRefused(f"damaged: no codestream begins at byte {position}")
    position += 2
    for _ in range(_MOST_SEGMENTS):
        marker = number(content, position, 2, "big", "the next segment")
        if marker == _END and size:
            return Extent(position + 2, Proof.END_MARK, *size)
        if marker == _SIZE:
            size = _size(content, position)
        position += _length(content, position, marker)
    raise PictureRefused(f"too complex: more than {_MOST_SEGMENTS} segments")


def _length(content: memoryview, position: int, marker: int) -> int:
    """How many bytes to the next segment, or to the next tile-part."""
    if marker < 0xFF00:
        raise PictureRefused(f"damaged: no segment begins at byte {position}")
    if marker != _TILE_PART:
        return 2 + max(2, number(content, position + 2, 2, "big", "a segment"))
    length = number(content, position + 6, 4, "big", "a tile-part")
    if length:
        return max(_SHORTEST_TILE_PART, length)
    found = _END_MARK.search(content, position)
    if found is None:
        raise PictureRefused("cut short: the last tile has no end-of-codestream mark")
    return found.start() - position


def _size(content: memoryview, position: int) -> tuple[int, int]:
    """The reference grid's size less the picture's offset on it."""
    fields = [
        number(content, position + offset, 4, "big", "the picture's size")
        for offset in (6, 10, 14, 18)
    ]
    return max(0, fields[0] - fields[2]), max(0, fields[1] - fields[3])
