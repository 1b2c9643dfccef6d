"""WebP: the RIFF length and the chunks inside it. Layout: RFC 9649."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Proof, demand, number

_FIRST_CHUNK = 12
_CHUNK_HEADER = 8
_FRAME_HEADER = 16
_MOST_CHUNKS: Final = 100_000
_PIXELS: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def walk(content: memoryview) -> Extent:
    """Find a WebP's end by its RIFF length. Raises PictureRefused."""
    end = 8 + number(content, 4, 4, "little", "the RIFF length")
    demand(content, end, "the RIFF container")
    size = _size(content, end)
    position = _FIRST_CHUNK
    kinds: set[bytes] = set()
    for _ in range(_MOST_CHUNKS):
        if position + _CHUNK_HEADER > end:
            break
        kinds.add(bytes(content[position : position + 4]))
        length = number(content, position + 4, 4, "little", "a chunk's length")
        demand(content[:end], position + _CHUNK_HEADER + length, "a chunk")
        position += _CHUNK_HEADER + length + (length & 1)
    if not kinds & _PIXELS:
        raise PictureRefused("damaged: it ends without a picture")
    return Extent(end, Proof.LENGTH, *size)


def chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and data of a whole WebP's chunks."""
    position, end = _FIRST_CHUNK, 8 + _little(bytes(content[4:8]))
    for _ in range(_MOST_CHUNKS):
        if position + _CHUNK_HEADER > end:
            return
        start = position + _CHUNK_HEADER
        length = _little(bytes(content[position + 4 : start]))
        yield bytes(content[position : position + 4]), content[start : start + length]
        position = start + length + (length & 1)


def is_lossless(content: bytes) -> bool:
    """Tell whether a WebP keeps every bit of its pixels."""
    for kind, data in chunks(memoryview(content)):
        if kind in _PIXELS:
            return b"VP8L" in (kind, bytes(data[_FRAME_HEADER : _FRAME_HEADER + 4]))
    return False


def _size(content: memoryview, end: int) -> tuple[int, int]:
    """Width and height, from the first chunk, which is one of three kinds."""
    head = bytes(content[_FIRST_CHUNK : min(end, 30)])
    kind, data = head[:4], head[_CHUNK_HEADER:]
    if kind == b"VP8X" and len(data) >= 10:
        return _little(data[4:7]) + 1, _little(data[7:10]) + 1
    if kind == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = _little(data[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 10 and data[3:6] == b"\x9d\x01\x2a":
        return _little(data[6:8]) & 0x3FFF, _little(data[8:10]) & 0x3FFF
    raise PictureRefused("damaged: its first chunk does not describe a picture")


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
