"""The texts of a WebP: its EXIF and XMP chunks. Layout: RFC 9649."""

from __future__ import annotations

from typing import Final

from boardsync.formats.embedded import exif, xmp
from boardsync.formats.embedded.texts import Findings, Readable

_FIRST, _HEADER = 12, 8

MOST_CHUNKS: Final = 100_000
"""Frames of an animation are chunks, too. Each costs one small read."""


def read(content: Readable, findings: Findings) -> None:
    """Collect the texts, wherever they stand."""
    position = _FIRST
    for _ in range(MOST_CHUNKS):
        header = content.at(position, _HEADER)
        if len(header) < _HEADER:
            return
        kind, length = header[:4], int.from_bytes(header[4:], "little")
        start = position + _HEADER
        if start + length > content.size:
            findings.trouble(f"WebP: cut short in the chunk at byte {position}")
            return
        if kind == b"EXIF":
            exif.read_block(content, start, length, "WebP EXIF", findings)
        elif kind == b"XMP " and findings.room_for(length, "WebP XMP"):
            findings.left -= length
            xmp.read(content.at(start, length), "WebP XMP", findings)
        position = start + length + (length & 1)
    findings.trouble(f"WebP: only the first {MOST_CHUNKS} chunks were looked at")
