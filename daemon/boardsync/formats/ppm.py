"""PPM, PGM and PBM: a header in words, then as many samples as it says."""

from __future__ import annotations

import re
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Proof, demand

_LONGEST_HEADER = 64 * 1024
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NUMBER = _GAP + rb"([0-9]{1,10})"
_BITMAP: Final = re.compile(rb"P[14]" + _NUMBER * 2 + rb"\s")
_MAP: Final = re.compile(rb"P[2356]" + _NUMBER * 3 + rb"\s")


def walk(content: memoryview) -> Extent:
    """Find a binary map's end by arithmetic; a plain-text one has no provable end.

    Raises PictureRefused.
    """
    kind = content[1] - ord("0")
    header = (_BITMAP if kind in (1, 4) else _MAP).match(content[:_LONGEST_HEADER])
    if header is None:
        raise PictureRefused("cut short or damaged: its header has not all its numbers")
    width, height, *rest = (int(group) for group in header.groups())
    if not width or not height:
        raise PictureRefused(f"damaged: its header says {width} by {height} pixels")
    if kind <= 3:
        return Extent(len(content), Proof.NONE, width, height)
    row = (width + 7) // 8 if kind == 4 else width * (1 if kind == 5 else 3)
    end = header.end() + row * height * (2 if rest and rest[0] > 255 else 1)
    demand(content, end, "the samples")
    return Extent(end, Proof.LENGTH, width, height)
