"""Is this picture complete? Bytes in, verdict out, for every format that boardsync knows.

Never raises for content, however hostile, and takes time and memory in proportion to the
content's length at most. Nothing is decoded: that all pixels are sound is `picture.decode`'s
to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from boardsync.errors import PictureRefused
from boardsync.formats import (
    AVIF,
    BMP,
    GIF,
    HEAD_SIZE,
    HEIC,
    ICO,
    JPEG,
    JPEG_2000,
    PNG,
    PPM,
    TGA,
    TIFF,
    WEBP,
    Format,
    bmff,
    bmp,
    gif,
    ico,
    jpeg,
    jpeg2000,
    png,
    ppm,
    sniff,
    tga,
    tiff,
    webp,
)
from boardsync.formats.verdict import Extent, Proof, Verdict

__all__ = ["Verdict", "check"]

Walk = Callable[[memoryview], Extent]

WALKS: Mapping[Format, Walk] = {
    PNG: png.walk,
    JPEG: jpeg.walk,
    WEBP: webp.walk,
    GIF: gif.walk,
    TIFF: tiff.walk,
    BMP: bmp.walk,
    AVIF: bmff.walk,
    HEIC: bmff.walk,
    ICO: ico.walk,
    TGA: tga.walk,
    PPM: ppm.walk,
    JPEG_2000: jpeg2000.walk,
}

_TAIL = 512


def check(content: bytes | memoryview) -> Verdict:
    """Tell what content is, whether it is complete, and how large its picture is."""
    view = memoryview(content).cast("B")
    if not view:
        return Verdict(None, whole=False, certain=False, reason="the content is empty")
    found = sniff(bytes(view[:HEAD_SIZE]))
    if found is None:
        return Verdict(
            None, whole=False, certain=False, reason="not a picture: no known format begins so"
        )
    try:
        extent = WALKS[found](view)
    except PictureRefused as refusal:
        return Verdict(found, whole=False, certain=True, reason=str(refusal))
    return _judge(found, view, extent)


def _judge(found: Format, content: memoryview, extent: Extent) -> Verdict:
    hollow = extent.proof is Proof.LENGTH and _ends_hollow(content, extent.end)
    reason = extent.proof.value
    if hollow:
        reason += "; it ends in zeros, as a file does whose room was reserved before writing"
    surplus = len(content) - extent.end
    if surplus > 0:
        reason += f"; {surplus} bytes follow the picture's end"
    certain = extent.proof is not Proof.NONE and not hollow
    return Verdict(found, True, certain, reason, extent.width, extent.height, hollow)


def _ends_hollow(content: memoryview, end: int) -> bool:
    """Lengths cannot tell written pixels from reserved room, which reads as zeros."""
    tail = bytes(content[max(0, end - _TAIL) : end])
    return not tail.strip(b"\0")
