"""GIF: walked block by block to the trailer. Layout: GIF89a specification, section 17 on."""

from __future__ import annotations

from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats.verdict import Extent, Proof, demand, number

_SCREEN_END = 13
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_MOST_BLOCKS: Final = 4_000_000
"""Enough for a gigabyte of full blocks; bounds the time that one-byte blocks can cost."""


def walk(content: memoryview) -> Extent:
    """Find a GIF's trailer behind its last block. Raises PictureRefused."""
    demand(content, _SCREEN_END, "the screen description")
    width = number(content, 6, 2, "little", "the width")
    height = number(content, 8, 2, "little", "the height")
    position = _SCREEN_END + _table_size(content[10])
    images, left = 0, _MOST_BLOCKS
    while True:
        kind = number(content, position, 1, "little", "the next block")
        if kind == _TRAILER:
            break
        images += kind == _IMAGE
        position, left = _skip_blocks(content, _body(content, position, kind), left)
    if not images:
        raise PictureRefused("damaged: it ends without a picture")
    return Extent(position + 1, Proof.END_MARK, width, height)


def _table_size(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _body(content: memoryview, position: int, kind: int) -> int:
    """Return where the chain of sub-blocks begins of the block at `position`."""
    if kind == _EXTENSION:
        return position + 2
    if kind == _IMAGE:
        demand(content, position + 11, "an image description")
        return position + 11 + _table_size(content[position + 9])
    raise PictureRefused(f"damaged: no block begins at byte {position}")


def _skip_blocks(content: memoryview, position: int, left: int) -> tuple[int, int]:
    """Return the position behind a chain of sub-blocks, and how many more are bearable."""
    end = len(content)
    while position < end and content[position]:
        position += content[position] + 1
        left -= 1
        if left < 0:
            raise PictureRefused(f"too complex: more than {_MOST_BLOCKS} blocks")
    demand(content, position + 1, "a chain of data blocks")
    return position + 1, left
