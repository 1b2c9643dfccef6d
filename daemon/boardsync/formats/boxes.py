"""Boxes: the nested containers of AVIF, HEIC and JPEG 2000 (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import demand, number

_SHORT, _LONG = 8, 16
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its kind, and where its payload begins and ends."""

    kind: bytes
    start: int
    end: int


def boxes(content: memoryview, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between `start` and `end`, without looking into them.

    Bytes that cannot begin a box end the walk silently: they follow the last box. Raises
    PictureRefused when a box reaches beyond `end`.
    """
    inside = content[:end]
    for _ in range(_MOST):
        if start >= end:
            return
        size = number(inside, start, 4, "big", "a box")
        kind = bytes(inside[start + 4 : start + 8])
        header = _LONG if size == 1 else _SHORT
        demand(inside, start + header, "a box")
        if size == 1:
            size = number(inside, start + 8, 8, "big", "a box")
        elif size == 0:
            size = end - start
        if size < header or not _is_name(kind):
            return
        demand(inside, start + size, f"box {kind.decode('ascii')}")
        yield Box(kind, start + header, start + size)
        start += size
    raise PictureRefused(f"too complex: more than {_MOST} boxes")


def _is_name(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in kind)
