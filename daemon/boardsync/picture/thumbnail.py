"""Makes a small picture of a picture: as it is to be seen, in WebP, from untrusted bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import Image

from boardsync.formats import WEBP
from boardsync.picture.decode import Limits, decode, plugin_of, refusing
from boardsync.picture.prepare import as_seen

RECIPE: Final = 1
"""Raised when another thumbnail is made of the same picture: those that were kept are made anew."""
LIMITS: Final = Limits(max_pixels=100_000_000, max_bytes=256 * 1024 * 1024)
"""400 MB of memory for one picture, and a second or two."""
QUALITY: Final = 80
_EFFORT: Final = 4
_TO_8_BITS: Final = 1 / 257
_GAP: Final = 3.0
"""A quick reduction leaves so many times the size to Lanczos."""


def thumbnail(content: bytes, edge: int, limits: Limits = LIMITS) -> bytes:
    """Return a WebP that is at most `edge` pixels wide and high, and never larger than the picture.

    Raises PictureRefused, and TryAgain when memory is short.
    """
    decoded = decode(content, limits)
    with refusing(f"no thumbnail can be made of this {decoded.format.name}"):
        image = as_seen(decoded)
        mode = "RGBA" if "A" in image.mode else "RGB"
        if image.mode.startswith("I;16"):
            image = image.convert("I").point(lambda value: value * _TO_8_BITS)
        if image.mode != mode:
            image = image.convert(mode)
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=_GAP)
        packed = BytesIO()
        # What the picture says of itself stays with the picture.
        image.save(
            packed, plugin_of(WEBP), quality=QUALITY, method=_EFFORT, exif=b"", icc_profile=b""
        )
        return packed.getvalue()
