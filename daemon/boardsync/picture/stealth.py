"""Texts that programs hide in the lowest bits of pixels, so that they outlive stripped chunks.

A signature of 15 bytes, the length of the text in bits as 32 bits, and the text, gzipped or not.
The bits run down the columns, from left to right: one a pixel in alpha, or three in red, green
and blue. NovelAI, Forge and SwarmUI write it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Final

from PIL import Image

from boardsync.errors import PictureRefused, TryAgain
from boardsync.formats.embedded import MOST_TEXT, Readable, Text
from boardsync.picture.decode import Limits, decode

MOST_PIXELS: Final = 64 * 1024 * 1024
"""Of a picture that is decoded for the sake of its texts: 256 MB of memory."""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Of a file that is decoded for the sake of its texts."""

_LENGTH: Final = 4
_SIGNATURES: Final[Mapping[str, Mapping[bytes, bool]]] = {
    "alpha": {b"stealth_pnginfo": False, b"stealth_pngcomp": True},
    "RGB": {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True},
}
"""Per channels, whether the text is packed."""
_SIGNATURE: Final = 15
_LOWEST_BIT: Final = bytes(b"01"[value & 1] for value in range(256))
_GZIP: Final = 31


def hidden_text(content: Readable) -> tuple[Text | None, str | None]:
    """Return the text that a picture's pixels hide, or why they could not be looked at.

    Neither when they hide none.
    """
    if content.size > MOST_BYTES:
        return None, f"pixels: not looked at, the file has {content.size} bytes"
    try:
        image = decode(content.at(0, content.size), Limits(max_pixels=MOST_PIXELS)).image
    except (PictureRefused, TryAgain) as error:
        return None, f"pixels: not looked at: {error}"
    for channels, bands in _channels(image):
        raw, trouble = _read(channels, bands)
        if trouble is not None:
            return None, trouble
        if raw is not None:
            text = raw.decode("utf-8", "replace")
            return Text(f"{channels} pixels", "parameters", text), None
    return None, None


def _channels(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Yield what may hide bits, of pictures with 8 bits a sample."""
    if image.mode in ("RGBA", "LA"):
        yield "alpha", image.getchannel("A")
    if image.mode in ("RGB", "RGBA"):
        yield "RGB", image if image.mode == "RGB" else image.convert("RGB")


def _read(channels: str, image: Image.Image) -> tuple[bytes | None, str | None]:
    """Return the bytes behind a signature, or what is wrong with them; neither without one."""
    head = _bits(image, 0, _SIGNATURE + _LENGTH)
    packed = _SIGNATURES[channels].get(head[:_SIGNATURE])
    if packed is None or len(head) < _SIGNATURE + _LENGTH:
        return None, None
    length = int.from_bytes(head[_SIGNATURE:], "big") // 8
    where = f"{channels} pixels: hidden text left out"
    if length > MOST_TEXT:
        return None, f"{where}, {length} bytes, {MOST_TEXT} are read"
    raw = _bits(image, _SIGNATURE + _LENGTH, length)
    if len(raw) < length:
        return None, f"{where}, it would be longer than the picture has room for"
    if not packed:
        return raw, None
    try:
        inflater = zlib.decompressobj(_GZIP)
        raw = inflater.decompress(raw, MOST_TEXT)
    except zlib.error as error:
        return None, f"{where}, damaged ({error})"
    if not inflater.eof:
        return None, f"{where}, cut short, or it inflates to more than {MOST_TEXT} bytes"
    return raw, None


def _bits(image: Image.Image, start: int, count: int) -> bytes:
    """Collect `count` bytes of lowest bits from byte `start` on, fewer at the picture's end."""
    per_column = image.height * len(image.getbands())
    columns = min(image.width, -(-(start + count) * 8 // per_column))
    strip = image.crop((0, 0, columns, image.height)).transpose(Image.Transpose.TRANSPOSE)
    bits = strip.tobytes().translate(_LOWEST_BIT)[start * 8 : (start + count) * 8]
    whole = len(bits) // 8
    return int(bits[: whole * 8] or b"0", 2).to_bytes(whole, "big")
