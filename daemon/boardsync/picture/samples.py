"""A few pictures to try boardsync with: made here, so that nothing has to be fetched."""

from __future__ import annotations

import colorsys
import io

from PIL import Image, ImageDraw

SIZE = 512
NAMES = ("dawn.png", "noon.jpg", "dusk.webp", "night.png")


def sample_pictures() -> dict[str, bytes]:
    """Return small pictures by file name, in several formats."""
    formats = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
    pictures = {}
    for number, name in enumerate(NAMES):
        buffer = io.BytesIO()
        _gradient(number / len(NAMES)).save(buffer, formats[name.rsplit(".", 1)[1]])
        pictures[name] = buffer.getvalue()
    return pictures


def _gradient(hue: float) -> Image.Image:
    """Draw a sky with a sun that stands where the hour has it."""
    image = Image.new("RGB", (SIZE, SIZE))
    draw = ImageDraw.Draw(image)
    for y in range(SIZE):
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.5, 0.3 + 0.7 * y / SIZE)
        draw.line([(0, y), (SIZE, y)], (int(red * 255), int(green * 255), int(blue * 255)))
    left = int(60 + hue * 300)
    draw.ellipse([left, 120, left + 90, 210], (255, 240, 190))
    return image
