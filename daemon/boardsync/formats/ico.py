"""ICO: a directory of icons, each of them a PNG or a headless BMP."""

from __future__ import annotations

from boardsync.errors import PictureRefused
from boardsync.formats import png
from boardsync.formats.verdict import Extent, Proof, demand, number

_DIRECTORY = 6
_ENTRY = 16


def walk(content: memoryview) -> Extent:
    """Find an ICO's end from its directory; the size is the largest icon's own.

    The directory's sizes are not trusted: a small entry may hold a huge PNG.
    """
    count = number(content, 4, 2, "little", "the directory")
    end = _DIRECTORY + count * _ENTRY
    demand(content, end, "the directory")
    if not count:
        raise PictureRefused("damaged: its directory is empty")
    largest = 0, 0
    for entry in range(_DIRECTORY, end, _ENTRY):
        size = number(content, entry + 8, 4, "little", "an icon's size")
        offset = number(content, entry + 12, 4, "little", "an icon's offset")
        if not size:
            raise PictureRefused("damaged: its directory lists an icon of no bytes")
        demand(content, offset + size, "an icon")
        end = max(end, offset + size)
        listed = content[entry] or 256, content[entry + 1] or 256
        shape = _shape(content[offset : offset + size]) or listed
        largest = max(largest, shape, listed, key=lambda pair: pair[0] * pair[1])
    return Extent(end, Proof.LENGTH, *largest)


def _shape(icon: memoryview) -> tuple[int, int] | None:
    """The icon's true size; a BMP counts its mask as a second half of its height."""
    if bytes(icon[:4]) == png.SIGNATURE[:4]:
        return png.dimensions(icon)
    if len(icon) < 12:
        return None
    width = int.from_bytes(icon[4:8], "little", signed=True)
    height = int.from_bytes(icon[8:12], "little", signed=True)
    return abs(width), abs(height) // 2
