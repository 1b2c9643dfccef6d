"""The texts of a PNG: tEXt, zTXt and iTXt in any encoding, EXIF and XMP inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from boardsync.formats.embedded import exif, xmp
from boardsync.formats.embedded.texts import Findings, InMemory, Readable, decoded
from boardsync.formats.png import SIGNATURE, TEXT_KINDS, text_bytes

_HEADER, _CRC = 8, 4
_LONGEST_KEYWORD = 79

MOST_CHUNKS: Final = 100_000
"""A PNG of 800 MB in the customary pieces of 8 KiB. Each costs one small read."""

_XMP: Final = "XML:com.adobe.xmp"
_PROFILES: Final = frozenset({"Raw profile type exif", "Raw profile type APP1"})
"""EXIF as ImageMagick writes it: its length, then hexadecimal digits, in lines."""


def read(content: Readable, findings: Findings) -> None:
    """Collect the texts before IEND, behind the pixels too. CRCs are not looked at."""
    for kind, start, length in _chunks(content, findings):
        if kind in TEXT_KINDS:
            _read_text(content, kind, start, length, findings)
        elif kind == b"eXIf":
            exif.read_block(content, start, length, "PNG eXIf", findings)


def _chunks(content: Readable, findings: Findings) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, place and length of every chunk, and say what ends the walk too early."""
    position = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        header = content.at(position, _HEADER)
        if len(header) < _HEADER:
            findings.trouble(f"PNG: cut short at byte {position}, before its end")
            return
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        if kind == b"IEND":
            return
        if not kind.isalpha():
            findings.trouble(f"PNG: damaged, no chunk begins at byte {position}")
            return
        yield kind, position + _HEADER, length
        position += _HEADER + length + _CRC
    findings.trouble(f"PNG: only the first {MOST_CHUNKS} chunks were looked at")


def _read_text(content: Readable, kind: bytes, start: int, length: int, findings: Findings) -> None:
    head = content.at(start, min(length, _LONGEST_KEYWORD + 1))
    keyword_raw, separator, _ = head.partition(b"\0")
    keyword = decoded(keyword_raw)
    source = f"PNG {kind.decode('ascii')} {keyword}"
    if not separator:
        findings.trouble(f"PNG {kind.decode('ascii')}: damaged, without a keyword")
        return
    if start + length > content.size:
        findings.trouble(f"{source}: cut short, it would end at byte {start + length}")
        return
    skipped = len(keyword_raw) + 1
    if not findings.room_for(length - skipped, source):
        return
    body = memoryview(content.at(start + skipped, length - skipped))
    raw, cost = text_bytes(kind, body, findings.left)
    if raw is None:
        findings.left -= cost
        findings.trouble(f"{source}: left out, it is damaged or inflates to more than is read")
    elif keyword in _PROFILES:
        _read_profile(raw, source, cost, findings)
    elif keyword == _XMP:
        findings.left -= cost
        xmp.read(raw, source, findings)
    else:
        findings.add(source, keyword, decoded(raw), cost)


def _read_profile(raw: bytes, source: str, cost: int, findings: Findings) -> None:
    findings.left -= cost
    block = profile_bytes(raw)
    if block is None:
        findings.trouble(f"{source}: damaged, its digits are no hexadecimal ones")
        return
    exif.read_block(InMemory(block), 0, len(block), source, findings)


def profile_bytes(raw: bytes) -> bytes | None:
    """Return what a text holds in hexadecimal digits behind a name and a length; None if none."""
    digits = b"".join(raw.split()[2:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
