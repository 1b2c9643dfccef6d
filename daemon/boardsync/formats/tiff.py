"""TIFF and BigTIFF: every directory, and the strips or tiles that it points to.

Layout: TIFF 6.0, section 2; BigTIFF doubles the width of counts and offsets. Directories
form a graph that content chooses freely: each is visited once, and work is budgeted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Order, Proof, demand, number

_MOST_VALUES: Final = 1_000_000
"""Entries, strips and tiles in sum; a picture of a million rows in single strips passes."""

_TYPE_SIZES: Final = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
    16: 8, 17: 8, 18: 8,
}  # fmt: skip
_CODES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_WIDTH, _HEIGHT = 256, 257
_LINKS: Final = (330, 34665, 34853)
"""Tags that point to further directories: sub-pictures, EXIF, GPS."""
_PIXELS: Final = ((273, 279), (324, 325), (513, 514))
"""Tags of offsets and byte counts: strips, tiles, a JPEG of the old kind."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Byte order, and the widths of an entry count, of an entry and of an offset."""

    order: Order
    count: int
    entry: int
    word: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tag of a directory: the type and number of its values, and where they lie."""

    type: int
    count: int
    start: int


@dataclass(slots=True)
class _Reader:
    """Reads directories and values, and remembers how far they reach."""

    content: memoryview
    layout: _Layout
    end: int = 0
    budget: int = _MOST_VALUES
    seen: set[int] = field(default_factory=set)

    def reach(self, end: int, what: str) -> None:
        demand(self.content, end, what)
        self.end = max(self.end, end)

    def spend(self, amount: int) -> None:
        self.budget -= amount
        if self.budget < 0:
            raise PictureRefused(f"too complex: more than {_MOST_VALUES} entries and strips")

    def number(self, start: int, size: int) -> int:
        return number(self.content, start, size, self.layout.order, "a directory")

    def directory(self, start: int) -> tuple[dict[int, _Entry], int]:
        """Read one directory and the offset of the next; all values must be there."""
        layout = self.layout
        count = self.number(start, layout.count)
        self.spend(count)
        position = start + layout.count
        self.reach(position + count * layout.entry + layout.word, "a directory")
        entries = dict(self._entry(position + index * layout.entry) for index in range(count))
        return entries, self.number(position + count * layout.entry, layout.word)

    def _entry(self, position: int) -> tuple[int, _Entry]:
        word = self.layout.word
        tag, kind = self.number(position, 2), self.number(position + 2, 2)
        count, start = self.number(position + 4, word), position + 4 + word
        size = count * _TYPE_SIZES.get(kind, 0)
        if size > word:
            start = self.number(start, word)
            self.reach(start + size, f"the value of tag {tag}")
        return tag, _Entry(kind, count, start)

    def values(self, entry: _Entry | None) -> tuple[int, ...]:
        """Read an entry's whole numbers; none when it is absent or of another type."""
        if entry is None or entry.type not in _CODES:
            return ()
        self.spend(entry.count)
        sign = "<" if self.layout.order == "little" else ">"
        layout = f"{sign}{entry.count}{_CODES[entry.type]}"
        return struct.unpack_from(layout, self.content, entry.start)


def walk(content: memoryview) -> Extent:
    """Find how far a TIFF's directories and pixels reach. Raises PictureRefused."""
    layout, first = _header(content)
    reader = _Reader(content, layout)
    entries, following = reader.directory(first)
    reader.seen.add(first)
    size = [reader.values(entries.get(tag)) for tag in (_WIDTH, _HEIGHT)]
    if not all(size):
        raise PictureRefused("damaged: its first directory does not say how large it is")
    if not any(tag in entries for tag, _ in _PIXELS):
        raise PictureRefused("damaged: its first directory points to no pixels")
    proven = _reach_pixels(reader, entries)
    waiting = [following, *_links(reader, entries)]
    while waiting:
        start = waiting.pop()
        if start and start not in reader.seen:
            reader.seen.add(start)
            entries, following = reader.directory(start)
            proven &= _reach_pixels(reader, entries)
            waiting += [following, *_links(reader, entries)]
    return Extent(reader.end, Proof.LENGTH if proven else Proof.NONE, size[0][0], size[1][0])


def _header(content: memoryview) -> tuple[_Layout, int]:
    order: Order = "little" if content[0] == ord("I") else "big"
    if number(content, 2, 2, order, "the header") == 43:
        layout = _Layout(order, count=8, entry=20, word=8)
        first = number(content, 8, 8, order, "the header")
    else:
        layout = _Layout(order, count=2, entry=12, word=4)
        first = number(content, 4, 4, order, "the header")
    if not first:
        raise PictureRefused("cut short: its first directory is not written yet")
    return layout, first


def _links(reader: _Reader, entries: dict[int, _Entry]) -> list[int]:
    return [start for tag in _LINKS for start in reader.values(entries.get(tag))]


def _reach_pixels(reader: _Reader, entries: dict[int, _Entry]) -> bool:
    """Demand all strips and tiles of a directory; False when their sizes are not told."""
    proven = True
    for offset_tag, count_tag in _PIXELS:
        offsets = reader.values(entries.get(offset_tag))
        counts = reader.values(entries.get(count_tag))
        proven &= len(offsets) == len(counts)
        for offset, count in zip(offsets, counts, strict=False):
            reader.reach(offset + count, "a strip or tile")
    return proven
