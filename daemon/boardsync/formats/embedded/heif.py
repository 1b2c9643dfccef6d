"""The texts of an AVIF or HEIC: items of EXIF and XMP. Layout: ISO/IEC 14496-12 and 23008-12."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.boxes import boxes
from boardsync.formats.embedded import exif, xmp
from boardsync.formats.embedded.texts import Findings, InMemory, Readable

MOST_META: Final = 1024 * 1024
"""Bytes of the box that lists the items. Grids of thousands of tiles take 100 KB."""
_MOST_BOXES: Final = 100
_MOST_ITEMS: Final = 10_000
_MOST_EXTENTS: Final = 64
"""Of one item of texts; writers use one."""
_IN_FILE, _IN_META = 0, 1


@dataclass(slots=True)
class _Cursor:
    """Reads numbers one after the other. Past the end they are refused."""

    raw: bytes
    position: int = 0

    def take(self, size: int) -> int:
        if self.position + size > len(self.raw):
            raise PictureRefused("cut short in the list of its items")
        value = int.from_bytes(self.raw[self.position : self.position + size], "big")
        self.position += size
        return value

    def word(self, size: int = 4) -> bytes:
        start, self.position = self.position, self.position + size
        return self.raw[start : self.position]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an item's bytes lie: in the file, or in the box `idat`."""

    method: int
    extents: tuple[tuple[int, int], ...]


def read(content: Readable, findings: Findings) -> None:
    """Collect the texts of the items."""
    try:
        meta = _meta(content)
        if meta is not None:
            _read_items(content, meta, findings)
    except PictureRefused as refusal:
        findings.trouble(f"AVIF or HEIC: {refusal}")


def _meta(content: Readable) -> bytes | None:
    """Return the payload of the box `meta`, None when there is none."""
    position = 0
    for _ in range(_MOST_BOXES):
        head = content.at(position, 16)
        if len(head) < 8:
            return None
        size, skipped = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, skipped = int.from_bytes(head[8:16], "big"), 16
        size = size or content.size - position
        if size < skipped:
            return None
        if head[4:8] == b"meta":
            if size > MOST_META:
                raise PictureRefused(f"its list of items has {size} bytes, {MOST_META} are read")
            return content.at(position + skipped, size - skipped)
        position += size
    return None


def _read_items(content: Readable, meta: bytes, findings: Findings) -> None:
    view = memoryview(meta)
    inner = {box.kind: meta[box.start : box.end] for box in boxes(view, 4, len(view))}
    if not {b"iinf", b"iloc"} <= inner.keys():
        return
    kinds = dict(_kinds(inner[b"iinf"]))
    for item, place in _places(inner[b"iloc"]):
        kind = kinds.get(item)
        if kind is not None and place is not None:
            _read_item(content, kind, place, inner.get(b"idat", b""), findings)


def _kinds(raw: bytes) -> Iterator[tuple[int, str]]:
    """Yield the numbers of the items that hold texts."""
    start = 6 if raw[:1] == b"\0" else 8
    for box in boxes(memoryview(raw), start, len(raw)):
        entry = _Cursor(raw[box.start : box.end])
        version = entry.take(4) >> 24
        if box.kind != b"infe" or version < 2:
            continue
        item = entry.take(2 if version == 2 else 4)
        entry.take(2)
        kind = entry.word()
        if kind == b"Exif":
            yield item, "EXIF"
        elif kind == b"mime" and b"rdf+xml" in entry.raw[entry.position :]:
            yield item, "XMP"


def _places(raw: bytes) -> Iterator[tuple[int, _Place | None]]:
    """Yield where each item lies; None when it is cut into too many pieces."""
    cursor = _Cursor(raw)
    version = cursor.take(4) >> 24
    sizes = cursor.take(2)
    offset_size, length_size, base_size = sizes >> 12 & 15, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    count = cursor.take(4 if version == 2 else 2)
    for _ in range(min(count, _MOST_ITEMS)):
        item = cursor.take(4 if version == 2 else 2)
        method = cursor.take(2) & 15 if version else _IN_FILE
        cursor.take(2)
        base, pieces = cursor.take(base_size), cursor.take(2)
        if not index_size + offset_size + length_size:
            pieces = min(pieces, 1)  # such extents take no bytes and are all the same
        extents: list[tuple[int, int]] = []
        for _ in range(pieces):
            cursor.take(index_size)
            offset, length = cursor.take(offset_size), cursor.take(length_size)
            if len(extents) <= _MOST_EXTENTS:
                extents.append((base + offset, length))
        few = len(extents) <= _MOST_EXTENTS
        yield item, _Place(method, tuple(extents)) if few else None


def _read_item(
    content: Readable, kind: str, place: _Place, idat: bytes, findings: Findings
) -> None:
    length = sum(size for _, size in place.extents)
    source = f"AVIF or HEIC {kind}"
    if place.method not in (_IN_FILE, _IN_META) or not findings.room_for(length, source):
        return
    holder = content if place.method == _IN_FILE else InMemory(idat)
    raw = b"".join(holder.at(start, size) for start, size in place.extents)
    if kind == "XMP":
        findings.left -= len(raw)
        xmp.read(raw, source, findings)
    else:
        skipped = 4 + int.from_bytes(raw[:4], "big")
        exif.read_block(InMemory(raw), skipped, len(raw) - skipped, source, findings)
