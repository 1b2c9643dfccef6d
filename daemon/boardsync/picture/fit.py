"""Smaller pictures: Lanczos, with the aspect kept. Nothing is ever enlarged."""

from __future__ import annotations

from PIL import Image

from boardsync.picture.asked import Size
from boardsync.picture.modes import plain, with_alpha

_SMOOTH = {"1": "L", "P": "RGB", "PA": "RGBA"}
"""Modes whose values cannot be mixed, and those that can."""


def fitting(size: Size, box: Size) -> Size:
    """Return the largest size of the same aspect that lies within a box, and within `size`."""
    width, height = size
    if width <= box[0] and height <= box[1]:
        return size
    if width * box[1] >= height * box[0]:
        return box[0], max(1, round(height * box[0] / width))
    return max(1, round(width * box[1] / height)), box[1]


def scaled(size: Size, scale: float) -> Size:
    """Return a size times a factor of at most 1, a pixel each way at least."""
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def resized(image: Image.Image, size: Size) -> Image.Image:
    """Return a picture in another size.

    Pillow weighs colours by their alpha, so that hidden ones never bleed out. Palettes become
    colours, black and white becomes gray, and 16-bit gray keeps its bits.
    """
    if image.size == size:
        return image
    image = with_alpha(image) or image
    if image.mode in _SMOOTH:
        image = image.convert(_SMOOTH[image.mode])
    return plain(image).resize(size, Image.Resampling.LANCZOS)
