"""JPEG, PNG and WebP written anew without what is private: the packed pixels stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from deflate import crc32

from boardsync.formats import JPEG, PNG, WEBP, Format
from boardsync.formats.embedded.exif import PREFIX
from boardsync.formats.embedded.png import profile_bytes
from boardsync.formats.embedded.texts import MOST_TEXT
from boardsync.formats.jpeg import segments
from boardsync.formats.kept.packet import JPEG_PREFIX, KEYWORD, kept_packet
from boardsync.formats.kept.tags import read_tags, write_tags
from boardsync.formats.png import SIGNATURE, TEXT_KINDS, chunks, text_bytes
from boardsync.formats.webp import chunks as riff_chunks

_APP0, _APP1, _APP2, _APP14, _APP15, _END = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xD9
_JFIF_WITHOUT_THUMBNAIL: Final = 12
"""Bytes of a JFIF segment before the size of its thumbnail."""

_CHUNKS: Final = frozenset(
    {
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
        b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"cLLI",
        b"tIME",
    }
)  # fmt: skip
_PROFILES: Final = ("Raw profile type exif", "Raw profile type APP1")
_PRIVATE_TEXTS: Final = (
    "raw profile type", "exif:", "xmp:", "iptc", "photoshop:", "gps", "author", "artist", "owner",
)  # fmt: skip
"""How the keywords of PNG texts begin that tell whose a picture is; ImageMagick copies EXIF so."""

_RIFF_KINDS: Final = frozenset(
    {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}
)
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def without_private(content: bytes, known: Format) -> bytes:
    """Return a whole picture without what is private: the very object when it has nothing of it.

    known: one of `CLEANED`.
    """
    cleaned = _CLEANERS[known](content)
    return content if cleaned == content else cleaned


def _clean_exif(block: bytes) -> bytes:
    """Return what is kept of an EXIF block; empty when that is nothing."""
    tags = read_tags(block, private=False)
    if not tags.dropped:
        return block
    return (PREFIX if block.startswith(PREFIX) else b"") + write_tags(tags) if tags else b""


def _clean_jpeg(content: bytes) -> bytes:
    parts: list[bytes | memoryview] = [content[:2]]
    for marker, data, packed in segments(memoryview(content)):
        if marker == _END:
            parts.append(b"\xff\xd9")
            break
        kept = _clean_segment(marker, bytes(data)) if _APP0 <= marker <= _APP15 else data
        if kept is not None:
            parts += [bytes((0xFF, marker)), (len(kept) + 2).to_bytes(2, "big"), kept]
        parts.append(packed)
    return b"".join(parts)


def _clean_segment(marker: int, data: bytes) -> bytes | None:
    """Return what is kept of an application's segment, None for nothing.

    Previews and further pictures, which have EXIF of their own, come in such segments, too.
    """
    if marker == _APP0 and data.startswith(b"JFIF\0"):
        return data[:_JFIF_WITHOUT_THUMBNAIL].ljust(_JFIF_WITHOUT_THUMBNAIL, b"\0") + b"\0\0"
    if marker == _APP1 and data.startswith(PREFIX[:4]):
        return _clean_exif(data) or None
    if marker == _APP1 and data.startswith(JPEG_PREFIX):
        packet = kept_packet(data[len(JPEG_PREFIX) :])
        return JPEG_PREFIX + packet if packet else None
    if marker == _APP2 and data.startswith(b"ICC_PROFILE\0"):
        return data
    return data if marker == _APP14 and data.startswith(b"Adobe") else None


def _clean_png(content: bytes) -> bytes:
    parts, profile = [SIGNATURE], b""
    every = list(chunks(memoryview(content)))
    for kind, data in every:
        if kind in TEXT_KINDS:
            kept, block = _clean_text(kind, data)
            parts += kept
            profile = profile or block
        elif kind == b"eXIf":
            cleaned = _clean_exif(bytes(data))
            parts += [_chunk(kind, cleaned)] if cleaned else []
        elif kind in _CHUNKS:
            parts.append(_chunk(kind, data))
    if profile and all(kind != b"eXIf" for kind, _ in every):
        parts.append(_chunk(b"eXIf", profile))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _clean_text(kind: bytes, data: memoryview) -> tuple[list[bytes], bytes]:
    """Return the chunks that are kept of a text, and the EXIF that it is."""
    raw = bytes(data[:80]).partition(b"\0")[0]
    keyword, body = raw.decode("latin-1"), data[len(raw) + 1 :]
    if keyword == KEYWORD:
        packet = kept_packet(text_bytes(kind, body, MOST_TEXT)[0] or b"")
        return [_chunk(b"iTXt", raw + bytes(5) + packet)] if packet else [], b""
    if keyword in _PROFILES:
        block = profile_bytes(text_bytes(kind, body, MOST_TEXT)[0] or b"") or b""
        return [], _clean_exif(block).removeprefix(PREFIX)
    return [] if keyword.lower().startswith(_PRIVATE_TEXTS) else [_chunk(kind, data)], b""


def _chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    checksum = crc32(data, crc32(kind))
    return b"".join((len(data).to_bytes(4, "big"), kind, data, checksum.to_bytes(4, "big")))


def _clean_webp(content: bytes) -> bytes:
    parts, flags = list[bytes](), 0
    for kind, data in riff_chunks(memoryview(content)):
        kept = bytes(data) if kind in _RIFF_KINDS else b""
        if kind == b"EXIF":
            kept = _clean_exif(kept)
            flags |= _EXIF_FLAG if kept else 0
        elif kind == b"XMP ":
            kept = kept_packet(kept)
            flags |= _XMP_FLAG if kept else 0
        if kept:
            parts.append(kind + len(kept).to_bytes(4, "little") + kept + bytes(len(kept) & 1))
    if parts and parts[0].startswith(b"VP8X"):
        features = parts[0][8] & ~(_EXIF_FLAG | _XMP_FLAG) | flags
        parts[0] = parts[0][:8] + bytes((features,)) + parts[0][9:]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


_CLEANERS: Final[Mapping[Format, Callable[[bytes], bytes]]] = {
    JPEG: _clean_jpeg,
    PNG: _clean_png,
    WEBP: _clean_webp,
}
CLEANED: Final = frozenset(_CLEANERS)
"""The formats that can be written anew so. Of others only the pixels can be taken."""
