"""BMP: whether all the bytes are there that its header announces."""

from __future__ import annotations

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Proof, demand, number

_DIB = 14
_CORE_HEADER = 12
_PLAIN = frozenset({0, 3, 6})
"""Compressions that leave the size of the pixels to arithmetic: none, and bit fields."""


def walk(content: memoryview) -> Extent:
    """Find a BMP's end from the sizes in its header. Raises PictureRefused."""
    announced = number(content, 2, 4, "little", "the file's size")
    pixels = number(content, 10, 4, "little", "the pixels' offset")
    width, height, depth = _shape(content)
    if not width or not height or pixels < _DIB + _CORE_HEADER:
        raise PictureRefused(f"damaged: {width} by {height} pixels from byte {pixels}")
    compression, packed = _compression(content)
    plain = compression in _PLAIN
    size = (width * depth + 31) // 32 * 4 * height if plain else packed
    end = max(announced, pixels + size)
    demand(content, end, "the pixels")
    return Extent(end, Proof.LENGTH if plain or size else Proof.NONE, width, height)


def _shape(content: memoryview) -> tuple[int, int, int]:
    """Width, height and bits per pixel; rows may be stored upside down (negative height)."""
    if number(content, _DIB, 4, "little", "the header") == _CORE_HEADER:
        width = number(content, 18, 2, "little", "the width")
        height = number(content, 20, 2, "little", "the height")
        return width, height, number(content, 24, 2, "little", "the depth")
    demand(content, 30, "the header")
    width = int.from_bytes(content[18:22], "little", signed=True)
    height = int.from_bytes(content[22:26], "little", signed=True)
    return abs(width), abs(height), number(content, 28, 2, "little", "the depth")


def _compression(content: memoryview) -> tuple[int, int]:
    """The kind of compression, and the size of the compressed pixels where it is told."""
    if number(content, _DIB, 4, "little", "the header") == _CORE_HEADER:
        return 0, 0
    kind = number(content, 30, 4, "little", "the compression")
    return kind, number(content, 34, 4, "little", "the size of the pixels")
