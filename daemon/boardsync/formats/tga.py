"""TGA: header arithmetic, and the footer that only its second version has."""

from __future__ import annotations

from boardsync.formats.verdict import Extent, Proof, demand, number

_HEADER = 18
_RUN_LENGTH = 8
_FOOTER = b"TRUEVISION-XFILE.\0"


def walk(content: memoryview) -> Extent:
    """Find a TGA's end. Without a footer nothing proves it: version 2 may be cut before it.

    Raises PictureRefused when bytes of the header, the palette or uncompressed pixels miss.
    """
    demand(content, _HEADER, "the header")
    width = number(content, 12, 2, "little", "the width")
    height = number(content, 14, 2, "little", "the height")
    palette = number(content, 5, 2, "little", "the palette") * _octets(content[7])
    pixels = _HEADER + content[0] + palette * content[1]
    stored = 0 if content[2] & _RUN_LENGTH else _octets(width * content[16]) * height
    end = pixels + stored
    demand(content, end, "the pixels")
    if content[-len(_FOOTER) :] == _FOOTER:
        return Extent(len(content), Proof.END_MARK, width, height)
    end = len(content) if content[2] & _RUN_LENGTH else end
    return Extent(end, Proof.NONE, width, height)


def _octets(bits: int) -> int:
    return (bits + 7) // 8
