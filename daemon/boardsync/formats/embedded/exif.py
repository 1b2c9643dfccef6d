"""The texts of an EXIF block or a TIFF, wherever programs put them. Layout: Exif 3.0, TIFF 6.0.

Directories may point anywhere, at themselves too: each is read once, and a few at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from boardsync.formats.embedded import xmp
from boardsync.formats.embedded.comments import user_comment
from boardsync.formats.embedded.texts import Findings, Readable, decoded

PREFIX: Final = b"Exif\0\0"

MOST_DIRECTORIES: Final = 8
"""The first, the thumbnail's, EXIF, GPS and interoperability make five."""
MOST_ENTRIES: Final = 1_000
"""Of one directory; cameras write up to 100."""

_BYTE, _ASCII, _LONG, _UNDEFINED, _UTF8 = 1, 2, 4, 7, 129
_USER_COMMENT, _EXIF_DIRECTORY, _XMP = 0x9286, 0x8769, 700
_NAMES: Final = {
    0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software",
    0x013B: "Artist", 0x8298: "Copyright", 0x927C: "MakerNote", _USER_COMMENT: "UserComment",
    0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor", 0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject", 0x010D: "DocumentName", 0x013C: "HostComputer",
}  # fmt: skip
_WIDE: Final = range(0x9C9B, 0x9CA0)
"""Windows' own tags: UTF-16 in little-endian order, whatever the block's order is."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Where a block lies, and how its numbers are written."""

    content: Readable
    start: int
    size: int
    order: Literal["little", "big"]

    def at(self, offset: int, count: int) -> bytes:
        """Return bytes of the block; none when they would not lie within it."""
        if offset < 0 or count < 0 or offset + count > self.size:
            return b""
        return self.content.at(self.start + offset, count)

    def number(self, raw: bytes) -> int:
        return int.from_bytes(raw, self.order)


def read_block(content: Readable, start: int, length: int, where: str, findings: Findings) -> None:
    """Collect the texts of an EXIF block, with or without the prefix that JPEG demands."""
    skipped = len(PREFIX) if content.at(start, len(PREFIX)) == PREFIX else 0
    _read(content, start + skipped, length - skipped, where, findings)


def read_tiff(content: Readable, findings: Findings) -> None:
    """Collect the texts of a TIFF. The kind for files beyond 4 GB is not read."""
    if content.at(0, 4) in (b"II+\0", b"MM\0+"):
        findings.trouble("TIFF: a BigTIFF, whose texts are not read")
        return
    _read(content, 0, content.size, "TIFF", findings)


def _read(content: Readable, start: int, size: int, where: str, findings: Findings) -> None:
    size = min(size, content.size - start)
    head = content.at(start, 8)
    if size < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
        findings.trouble(f"{where}: damaged, it does not begin as EXIF does")
        return
    block = _Block(content, start, size, "little" if head[:1] == b"I" else "big")
    waiting, seen = [block.number(head[4:8])], set[int]()
    while waiting:
        offset = waiting.pop(0)
        if offset in seen or not offset:
            continue
        if len(seen) >= MOST_DIRECTORIES:
            findings.trouble(f"{where}: only the first {MOST_DIRECTORIES} directories were read")
            return
        seen.add(offset)
        waiting += _directory(block, offset, where, findings)


def _directory(block: _Block, offset: int, where: str, findings: Findings) -> list[int]:
    """Collect one directory's texts; return the offsets of those it points to."""
    links: list[int] = []
    count = block.number(block.at(offset, 2))
    for index in range(min(count, MOST_ENTRIES)):
        entry = block.at(offset + 2 + index * 12, 12)
        if len(entry) < 12:
            findings.trouble(f"{where}: cut short in a directory at byte {offset}")
            return links
        tag, kind = block.number(entry[:2]), block.number(entry[2:4])
        if tag == _EXIF_DIRECTORY and kind == _LONG:
            links.append(block.number(entry[8:12]))
        else:
            _value(block, tag, kind, entry, where, findings)
    following = block.at(offset + 2 + count * 12, 4)
    return [*links, block.number(following)]


def _value(
    block: _Block, tag: int, kind: int, entry: bytes, where: str, findings: Findings
) -> None:
    """Keep the value of an entry if it is a text."""
    wanted = kind in (_ASCII, _UTF8) or tag in (_USER_COMMENT, _XMP) or tag in _WIDE
    length = block.number(entry[4:8])
    if not wanted or kind not in (_BYTE, _ASCII, _UNDEFINED, _UTF8) or not length:
        return
    name = _NAMES.get(tag, f"tag {tag}")
    source = f"{where} {name}"
    offset = block.number(entry[8:12])
    if length > 4 and offset + length > block.size:
        findings.trouble(f"{source}: cut short, {length} bytes from {offset} on are not there")
    elif findings.room_for(length, source):
        raw = entry[8 : 8 + length] if length <= 4 else block.at(offset, length)
        if tag == _XMP:
            findings.left -= length
            xmp.read(raw, f"{where} XMP", findings)
            return
        for keyword, value in _texts(block, tag, kind, name, raw):
            findings.add(source, keyword, value, length)


def _texts(block: _Block, tag: int, kind: int, name: str, raw: bytes) -> Iterator[tuple[str, str]]:
    if tag == _USER_COMMENT:
        yield name, user_comment(raw, block.order)
    elif tag in _WIDE and kind == _BYTE:
        yield name, raw.decode("utf-16-le", "replace").rstrip("\0")
    else:
        yield name, decoded(raw)
