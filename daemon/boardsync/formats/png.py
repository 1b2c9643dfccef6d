"""PNG: completeness as a stream, dimensions and text chunks. Layout: W3C PNG, section 5."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from typing import Final

from deflate import crc32

from boardsync.errors import PictureRefused
from boardsync.formats import PNG
from boardsync.formats.verdict import Extent, Proof, Verdict

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
TEXT_LIMIT: Final = 8 * 1024 * 1024
TEXT_KINDS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})

_HEADER = 8
_CRC = 4
_IHDR_LENGTH = 13
_LONGEST_CHUNK = 2**31 - 1
_MOST_CHUNKS = 1_000_000
_LONGEST_KEYWORD = 79
_BEST_RATIO = 1032
"""Deflate makes no more bytes of one."""


class PngStream:
    """Check a PNG while it passes by, in pieces of any size, keeping none of them.

    Signature, order of the essential chunks, every CRC, and the end mark. Use it once.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = len(SIGNATURE)
        self._field = self._signature
        self._body_left = 0
        self._crc = 0
        self._kind = b""
        self._position = 0
        self._chunks = 0
        self._has_pixels = False
        self._ended = False
        self._surplus = 0
        self._fault: str | None = None
        self._size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, as soon as the header has passed."""
        return self._size

    @property
    def end(self) -> int:
        """How many bytes belonged to the PNG so far."""
        return self._position

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next piece. Faults are remembered for `finish`, not raised."""
        view = memoryview(chunk).cast("B")
        while view and not self._ended and self._fault is None:
            taken = self._take_body(view) if self._body_left else self._take_field(view)
            self._position += taken
            view = view[taken:]
        self._surplus += len(view)

    def finish(self) -> Verdict:
        """Say what has passed."""
        width, height = self._size or (None, None)
        fault = self._fault or (None if self._ended else self._cut_short())
        if fault is not None:
            return Verdict(PNG, False, True, fault, width, height)
        reason = Proof.END_MARK.value
        if self._surplus:
            reason += f"; {self._surplus} bytes follow the picture's end"
        return Verdict(PNG, True, True, reason, width, height)

    def _cut_short(self) -> str:
        where = f"in chunk {self._kind.decode('ascii')}" if self._kind else "in the signature"
        return f"cut short: the content ends at byte {self._position}, {where}, before IEND"

    def _take_body(self, view: memoryview) -> int:
        piece = view[: self._body_left]
        self._crc = crc32(piece, self._crc)
        self._body_left -= len(piece)
        return len(piece)

    def _take_field(self, view: memoryview) -> int:
        piece = view[: self._wanted - len(self._held)]
        self._held += piece
        if len(self._held) == self._wanted:
            field, self._held = bytes(self._held), bytearray()
            self._field(field)
        return len(piece)

    def _signature(self, field: bytes) -> None:
        if field != SIGNATURE:
            self._fault = "not a PNG: its signature is missing"
        self._expect_header()

    def _expect_header(self) -> None:
        self._wanted, self._field = _HEADER, self._header

    def _header(self, field: bytes) -> None:
        length, self._kind = int.from_bytes(field[:4], "big"), field[4:]
        self._chunks += 1
        self._fault = self._fault_of_header(length)
        self._crc = crc32(self._kind)
        self._has_pixels = self._has_pixels or self._kind == b"IDAT"
        if self._kind == b"IHDR":
            self._wanted, self._field = _IHDR_LENGTH, self._image_header
        else:
            self._body_left = length
            self._wanted, self._field = _CRC, self._checksum

    def _fault_of_header(self, length: int) -> str | None:
        where = f"at byte {self._position}"
        if not self._kind.isalpha() or length > _LONGEST_CHUNK:
            self._kind = b""
            return f"damaged: no chunk begins {where}"
        if (self._kind == b"IHDR") != (self._chunks == 1):
            return f"damaged: IHDR must be the first chunk and the only one of its kind, {where}"
        if self._kind == b"IHDR" and length != _IHDR_LENGTH:
            return f"damaged: IHDR is {length} bytes long instead of {_IHDR_LENGTH}"
        if self._kind == b"IEND" and not self._has_pixels:
            return "damaged: it ends without any pixels (no IDAT)"
        if self._chunks > _MOST_CHUNKS:
            return f"too complex: more than {_MOST_CHUNKS} chunks"
        return None

    def _image_header(self, field: bytes) -> None:
        self._crc = crc32(field, self._crc)
        width, height = int.from_bytes(field[:4], "big"), int.from_bytes(field[4:8], "big")
        self._size = width, height
        if not width or not height:
            self._fault = f"damaged: IHDR says {width} by {height} pixels"
        self._wanted, self._field = _CRC, self._checksum

    def _checksum(self, field: bytes) -> None:
        if int.from_bytes(field, "big") != self._crc:
            name = self._kind.decode("ascii")
            self._fault = f"damaged: wrong CRC of chunk {name} before byte {self._position + 4}"
        self._ended = self._kind == b"IEND"
        self._expect_header()


def walk(content: memoryview) -> Extent:
    """Find a PNG's end, checking every CRC. Raises PictureRefused."""
    stream = PngStream()
    stream.feed(content)
    verdict = stream.finish()
    if not verdict.whole:
        raise PictureRefused(verdict.reason)
    return Extent(stream.end, Proof.END_MARK, verdict.width, verdict.height)


def dimensions(content: bytes | memoryview) -> tuple[int, int] | None:
    """Return width and height from the header, or None when this is not the start of a PNG."""
    head = bytes(content[:24])
    if len(head) < 24 or head[:8] != SIGNATURE or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def text_chunks(
    content: bytes | memoryview,
    keywords: Collection[str] | None = None,
    limit: int = TEXT_LIMIT,
) -> dict[str, str]:
    """Read the texts of a PNG (tEXt, zTXt, iTXt) by keyword; of equal keywords the last wins.

    keywords: only these, all when None. limit: bytes of text in sum; a text that would pass
    it is left out, and so is one that cannot be read. CRCs are not looked at. Content that
    is cut short or no PNG at all gives what can be read of it.
    """
    texts: dict[str, str] = {}
    left = limit
    for kind, data in chunks(memoryview(content).cast("B")):
        if kind not in TEXT_KINDS or left <= 0:
            continue
        keyword_raw = bytes(data[: _LONGEST_KEYWORD + 1]).partition(b"\0")[0]
        keyword = keyword_raw.decode("latin-1")
        if keywords is not None and keyword not in keywords:
            continue
        body = data[len(keyword_raw) + 1 :]
        raw, cost = text_bytes(kind, body, left)
        left -= cost
        text = None if raw is None else _decoded(kind, raw)
        if text is not None:
            texts[keyword] = text
    return texts


def chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and data of the complete chunks before IEND. CRCs are not looked at."""
    if bytes(content[:8]) != SIGNATURE:
        return
    start = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        length = int.from_bytes(content[start : start + 4], "big")
        kind = bytes(content[start + 4 : start + 8])
        body, end = start + _HEADER, start + _HEADER + length
        if len(kind) < 4 or end > len(content) or kind == b"IEND":
            return
        yield kind, content[body:end]
        start = end + _CRC


def text_bytes(kind: bytes, body: memoryview, limit: int) -> tuple[bytes | None, int]:
    """Return a text's bytes as they were meant, and what reading them cost in bytes.

    kind: one of `TEXT_KINDS`. body: the chunk's data behind the keyword and its zero. None when
    it is damaged, or longer than `limit`: a bomb costs all of it and yields nothing.
    """
    if kind == b"tEXt":
        return _plain(body, limit)
    if kind == b"zTXt":
        return _inflate(body[1:], limit)
    start = 2
    for _ in range(2):  # language, translated keyword
        found = bytes(body[start : start + 256]).find(b"\0")
        if found < 0:
            return None, 0
        start += found + 1
    return _inflate(body[start:], limit) if body[0] else _plain(body[start:], limit)


def _decoded(kind: bytes, raw: bytes) -> str | None:
    """Decode as the format has it: iTXt is UTF-8, the others are Latin-1."""
    if kind != b"iTXt":
        return raw.decode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _plain(body: memoryview, limit: int) -> tuple[bytes | None, int]:
    return (bytes(body), len(body)) if len(body) <= limit else (None, 0)


def _inflate(packed: memoryview, limit: int) -> tuple[bytes | None, int]:
    """Decompress at most `limit` bytes; a bomb costs all of them and yields nothing.

    What is damaged costs what it may have inflated to before the damage.
    """
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, limit)
    except zlib.error:
        return None, min(limit, len(packed) * _BEST_RATIO)
    return (raw if inflater.eof else None), len(raw)
