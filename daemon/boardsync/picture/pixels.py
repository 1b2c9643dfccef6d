"""Pixel digests: know a picture again after a server encoded it anew.

What is seen is what counts: a palette, gray and RGB of the same colours are the same
picture, and so are RGB and an RGBA that is opaque all over. The colours hidden under full
transparency count too, because servers keep them. 16-bit gray keeps all its bits and is
never the same as 8-bit gray.
"""

from __future__ import annotations

import hashlib
from typing import Final

from PIL import Image

from boardsync.picture.decode import DEFAULT_LIMITS, Limits, decode, refusing
from boardsync.picture.modes import is_opaque, plain, with_alpha, without_key

_STRIP_PIXELS: Final = 1 << 16
"""Small enough that a strip is still in the processor's cache when it is hashed."""


def pixel_digest_of(content: bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return the pixel digest of a file's content, as decoded, orientation not applied.

    Raises PictureRefused.
    """
    decoded = decode(content, limits)
    with refusing(f"the pixels of this {decoded.format.name} cannot be compared"):
        return pixel_digest(decoded.image)


def pixel_digest(image: Image.Image) -> str:
    """Return the lower-case hex SHA-256 of size and pixels, in a canonical mode.

    Strip by strip, so that memory stays at one copy of the picture, even for the largest.
    """
    shown, mode = _canonical(image)
    width, height = shown.size
    digest = hashlib.sha256(f"{mode} {width}x{height}\n".encode())
    rows = max(1, _STRIP_PIXELS // max(1, width))
    for top in range(0, height, rows):
        strip = shown.crop((0, top, width, min(top + rows, height)))
        digest.update((strip if strip.mode == mode else strip.convert(mode)).tobytes())
    return digest.hexdigest()


def _canonical(image: Image.Image) -> tuple[Image.Image, str]:
    """Return the picture, and the mode in which its strips are to be read."""
    image = plain(image)
    if image.mode == "I;16":
        return image, "I;16"
    if (shown := with_alpha(image)) is not None:
        return shown, "RGBA"
    if image.mode in ("LA", "RGBA"):
        return image, "RGB" if is_opaque(image) else "RGBA"
    return without_key(image), "RGB"
