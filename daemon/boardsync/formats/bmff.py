"""AVIF and HEIC: every box whole, and every extent of every item within the content.

Layout: ISO/IEC 14496-12 (boxes, `iloc`) and 23008-12 (`ispe`).
"""

from __future__ import annotations

from dataclasses import dataclass

from boardsync.errors import PictureRefused
from boardsync.formats.boxes import Box, boxes
from boardsync.formats.verdict import Extent, Proof, demand, number

_FULL_BOX = 4
_IN_FILE = 0
_DATA = frozenset({b"mdat", b"idat"})


def walk(content: memoryview) -> Extent:
    """Find the end of an AVIF or HEIC by its boxes. Raises PictureRefused."""
    top = list(boxes(content, 0, len(content)))
    kinds = {box.kind for box in top}
    metas = [box for box in top if box.kind == b"meta"]
    if not metas and b"moov" not in kinds:
        raise PictureRefused("cut short: no box describes a picture (meta or moov)")
    inner = [box for meta in metas for box in boxes(content, meta.start + _FULL_BOX, meta.end)]
    if not (kinds | {box.kind for box in inner}) & _DATA:
        raise PictureRefused("cut short: the box with the pixels is missing (mdat)")
    for box in inner:
        if box.kind == b"iloc":
            _Locations(content[: box.end]).check(content, box.start)
    sizes = [size for box in inner if box.kind == b"iprp" for size in _sizes(content, box)]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(None, None))
    return Extent(top[-1].end, Proof.LENGTH, width, height)


def _sizes(content: memoryview, properties: Box) -> list[tuple[int, int]]:
    """All sizes told: the full picture's is larger than those of its tiles and thumbnails.

    HEVC pads pictures to whole blocks, so that it may exceed what is shown by a few pixels.
    """
    return [
        (
            number(content[: leaf.end], leaf.start + 4, 4, "big", "the width"),
            number(content[: leaf.end], leaf.start + 8, 4, "big", "the height"),
        )
        for box in boxes(content, properties.start, properties.end)
        if box.kind == b"ipco"
        for leaf in boxes(content, box.start, box.end)
        if leaf.kind == b"ispe"
    ]


@dataclass(slots=True)
class _Locations:
    """A reader of the `iloc` box: which bytes of the file hold which item."""

    box: memoryview
    position: int = 0

    def take(self, size: int) -> int:
        """Read the next number; of no bytes it is 0, as the format has it."""
        value = number(self.box, self.position, size, "big", "an item's location")
        self.position += size
        return value

    def check(self, content: memoryview, start: int) -> None:
        """Raise PictureRefused when an extent in the file reaches beyond its end."""
        self.position = start
        version = self.take(1)
        self.take(3)
        sizes = self.take(2)
        offset_size, length_size = sizes >> 12 & 15, sizes >> 8 & 15
        base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
        for _ in range(self.take(4 if version == 2 else 2)):
            self.take(4 if version == 2 else 2)
            method = self.take(2) & 15 if version else _IN_FILE
            source = self.take(2)
            base = self.take(base_size)
            count = self.take(2)
            if not offset_size + length_size + index_size:
                count = min(count, 1)  # such extents take no bytes and are all the same
            for _ in range(count):
                self.take(index_size)
                end = base + self.take(offset_size) + self.take(length_size)
                if method == _IN_FILE and not source:
                    demand(content, end, "an item's data")
