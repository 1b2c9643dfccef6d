"""The texts of a JPEG: EXIF and XMP in APP1, comments. Layout: ITU T.81, annex B."""

from __future__ import annotations

from typing import Final

from boardsync.formats.embedded import exif, xmp
from boardsync.formats.embedded.texts import Findings, Readable, decoded

_APP1, _COMMENT = 0xE1, 0xFE
_END_OF_TEXTS: Final = frozenset({0xD9, 0xDA})
"""End of the picture, start of a scan."""
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"

MOST_SEGMENTS: Final = 2_000
"""Before the first scan. Pictures with large colour profiles reach 300."""


def read(content: Readable, findings: Findings) -> None:
    """Collect the texts before the first scan."""
    position = 2
    for _ in range(MOST_SEGMENTS):
        head = content.at(position, 4)
        if len(head) < 2 or head[0] != 0xFF or head[1] in _END_OF_TEXTS:
            return
        if head[1] == 0xFF:  # a fill byte
            position += 1
            continue
        length = int.from_bytes(head[2:4], "big")
        if length < 2 or position + 2 + length > content.size:
            findings.trouble(f"JPEG: damaged or cut short in the segment at byte {position}")
            return
        _segment(content, head[1], position + 4, length - 2, findings)
        position += 2 + length
    findings.trouble(f"JPEG: only the first {MOST_SEGMENTS} segments were looked at")


def _segment(content: Readable, marker: int, start: int, length: int, findings: Findings) -> None:
    if marker == _COMMENT:
        if findings.room_for(length, "JPEG comment"):
            findings.add("JPEG comment", "comment", decoded(content.at(start, length)), length)
    elif marker == _APP1:
        head = content.at(start, len(_XMP))
        if head.startswith(exif.PREFIX[:4]):
            exif.read_block(content, start, length, "JPEG EXIF", findings)
        elif head == _XMP and findings.room_for(length, "JPEG XMP"):
            packet = content.at(start + len(_XMP), length - len(_XMP))
            findings.left -= len(packet)
            xmp.read(packet, "JPEG XMP", findings)
