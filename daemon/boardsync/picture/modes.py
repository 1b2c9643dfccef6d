"""Pixel modes: from everything Pillow decodes to the few that every server stores alike."""

from __future__ import annotations

import math
from typing import Final, cast

from PIL import Image

PLAIN: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Modes that a PNG holds exactly, without loss and without asking."""

_SEE_THROUGH: Final = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
_KEYED: Final = frozenset({"1", "L", "P", "RGB"})
_DEEPEST: Final = 65_535


def plain(image: Image.Image) -> Image.Image:
    """Return the picture in a plain mode: itself when it has one already.

    Integers beyond 8 bits become 16-bit gray, floats 8-bit gray: both keep their values
    where these fit, floats from 0 to 1 count as fractions of white, and anything wider is
    stretched over the range. Colours become RGB, or RGBA where they have an alpha channel.
    """
    if image.mode in PLAIN:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _whole_numbers(image)
    if image.mode == "F":
        return _floats(image)
    return image.convert(_SEE_THROUGH.get(image.mode, "RGB"))


def with_alpha(image: Image.Image) -> Image.Image | None:
    """Return the picture as RGBA when a palette or colour key makes any pixel see-through.

    None when there is nothing to bring out: no such key, no pixel that it applies to, or an
    alpha channel already. 16-bit gray keeps its depth rather than its key: RGBA has 8 bits.
    """
    if image.mode not in _KEYED or not image.has_transparency_data:
        return None
    shown = image.convert("RGBA")
    return None if is_opaque(shown) else shown


def without_key(image: Image.Image) -> Image.Image:
    """Return the picture without its palette's transparency or colour key, or itself."""
    if "transparency" not in image.info:
        return image
    keyless = image.copy()
    del keyless.info["transparency"]
    return keyless


def is_opaque(image: Image.Image) -> bool:
    """Tell whether a picture with an alpha channel shows nothing through."""
    return image.getchannel("A").getextrema() == (255, 255)


def _whole_numbers(image: Image.Image) -> Image.Image:
    wide = image if image.mode == "I" else image.convert("I")
    low, high = cast("tuple[int, int]", wide.getextrema())
    if low < 0 or high > _DEEPEST:
        wide = _stretched(wide, low, high, _DEEPEST)
    return wide.convert("I;16")


def _floats(image: Image.Image) -> Image.Image:
    low, high = cast("tuple[float, float]", image.getextrema())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif not (math.isfinite(low) and math.isfinite(high)) or (low >= 0 and high <= 255):
        low, high = 0.0, 255.0
    return _stretched(image, low, high, 255, rounding=0.5).convert("L")


def _stretched(
    image: Image.Image, low: float, high: float, white: int, rounding: float = 0.0
) -> Image.Image:
    """Map `low` to 0 and `high` to white, linearly."""
    scale = white / (high - low) if high > low else 0.0
    offset = rounding - low * scale
    return image.point(lambda value: value * scale + offset)
