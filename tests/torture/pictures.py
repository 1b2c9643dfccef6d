"""Small real pictures without end: each number gives another one, the same in every run."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from boardsync.formats import JPEG, PNG, WEBP
from picture_samples import sample

_KINDS = ((PNG, ".png"), (JPEG, ".jpg"), (PNG, ".png"), (WEBP, ".webp"), (PNG, ".png"))
_LARGE = (150, 100)
"""Noise of this size is some 45 kB as PNG: several pieces on the wire."""


def picture(number: int) -> tuple[str, bytes]:
    """Return the extension and the bytes of a picture; some are larger than others."""
    picture_format, extension = _KINDS[number % len(_KINDS)]
    size = _LARGE if number % 7 == 0 else (24 + number % 5, 17)
    return extension, sample(picture_format, "RGB", size, seed=number)


def pixels_of(content: bytes) -> str:
    """Return the identity of what is to be seen, however it is packed. Raises OSError."""
    with Image.open(io.BytesIO(content)) as image:
        plain = image.convert("RGBA")
    return hashlib.sha256(repr(plain.size).encode() + plain.tobytes()).hexdigest()
