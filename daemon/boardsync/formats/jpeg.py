"""JPEG: walked by segments and through its scans to the end mark. Layout: ITU T.81, annex B.

Segments are jumped over by their lengths, so that the end mark of a thumbnail inside EXIF
is never taken for the picture's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Proof, number

_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Any marker but stuffed zeros, fill bytes and restarts: what ends entropy-coded data."""

_START, _END, _SCAN, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

MOST_SCANS: Final = 500
"""No encoder writes nearly as many; each costs the decoder a pass over all blocks."""

_MOST_SEGMENTS = 100_000


def walk(content: memoryview) -> Extent:
    """Find a JPEG's end mark behind its last scan. Raises PictureRefused."""
    position, scans = 2, 0
    size: tuple[int, int] | None = None
    for _ in range(_MOST_SEGMENTS):
        marker, position = _next_marker(content, position)
        if marker == _END:
            return _extent(position, size, scans)
        if marker == _START:
            raise PictureRefused(f"damaged: a second picture starts at byte {position - 2}")
        if marker == _TEMPORARY:
            continue
        if marker in _FRAMES:
            size = _frame_size(content, position)
        scans += marker == _SCAN
        if scans > MOST_SCANS:
            raise PictureRefused(f"too complex: more than {MOST_SCANS} scans")
        position += _segment_length(content, position)
    raise PictureRefused(f"too complex: more than {_MOST_SEGMENTS} segments")


def segments(content: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Yield the segments behind a whole JPEG's start: marker, data, and the pixels behind it.

    The end mark comes last. Raises PictureRefused where `walk` does.
    """
    marker, position = _next_marker(content, 2)
    while marker != _END:
        length = 0 if marker == _TEMPORARY else _segment_length(content, position)
        data, behind = content[position + min(2, length) : position + length], position + length
        following, position = _next_marker(content, behind)
        packed = content[behind : position - 2] if marker == _SCAN else content[:0]
        if marker != _TEMPORARY:
            yield marker, data, packed
        marker = following
    yield marker, content[:0], content[:0]


def _next_marker(content: memoryview, position: int) -> tuple[int, int]:
    """Return the next marker's code and the position behind it."""
    found = _MARKER.search(content, position)
    if found is None:
        raise PictureRefused(
            f"cut short: no end-of-image mark before the content's end at byte {len(content)}"
        )
    return content[found.end() - 1], found.end()


def _segment_length(content: memoryview, position: int) -> int:
    length = number(content, position, 2, "big", "a segment's length")
    if length < 2:
        raise PictureRefused(f"damaged: a segment at byte {position} has the length {length}")
    return length


def _frame_size(content: memoryview, position: int) -> tuple[int, int]:
    """Width and height of a frame header: length, precision, height, width."""
    height = number(content, position + 3, 2, "big", "the frame's height")
    width = number(content, position + 5, 2, "big", "the frame's width")
    return width, height


def _extent(end: int, size: tuple[int, int] | None, scans: int) -> Extent:
    if size is None or not scans:
        raise PictureRefused("damaged: it ends without a picture (no frame or no scan)")
    width, height = size
    return Extent(end, Proof.END_MARK, width, height or None)
