"""Real pictures for tests, made by Pillow and kept for the session: ask, don't build.

`sample` makes a picture of noise in any format and mode, with traits; `raw_png` writes what
Pillow cannot (16-bit colour, lying headers); `as_invokeai_stores` is what contract says the
server makes of an upload.
"""

from __future__ import annotations

import random
import struct
import zlib
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from boardsync.formats import (
    AVIF,
    BMP,
    GIF,
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
)

_PILLOW_NAMES = {
    PNG: "PNG",
    JPEG: "JPEG",
    WEBP: "WEBP",
    GIF: "GIF",
    TIFF: "TIFF",
    BMP: "BMP",
    AVIF: "AVIF",
    ICO: "ICO",
    TGA: "TGA",
    PPM: "PPM",
    JPEG_2000: "JPEG2000",
}

SMALL = (13, 9)
"""Odd and not square, so that rows, columns and paddings cannot be mistaken for one another."""


@lru_cache(maxsize=512)
def sample(
    picture_format: Format,
    mode: str = "RGB",
    size: tuple[int, int] = SMALL,
    *,
    seed: int = 1,
    orientation: int | None = None,
    icc: bytes | None = None,
    transparency: int | bytes | tuple[int, int, int] | None = None,
    text: tuple[tuple[str, str], ...] = (),
    exif_thumbnail: bool = False,
    frames: int = 1,
    **options: Any,
) -> bytes:
    """Return the bytes of a picture of noise; the same arguments give the same bytes.

    options go to Pillow's writer (`progressive=True`, `compression="tiff_lzw"` ...).
    """
    if picture_format is HEIC:
        return _rebranded(sample(AVIF, mode, size, seed=seed, **options))
    image = noise(mode, size, seed)
    if icc is not None:
        options["icc_profile"] = icc
    if transparency is not None:
        options["transparency"] = transparency
    if text:
        options["pnginfo"] = _texts(text)
    if orientation is not None or exif_thumbnail:
        options["exif"] = _exif(orientation, exif_thumbnail)
    if frames > 1:
        options["save_all"] = True
        options["append_images"] = [noise(mode, size, seed + n) for n in range(1, frames)]
    packed = BytesIO()
    image.save(packed, _PILLOW_NAMES[picture_format], **options)
    return packed.getvalue()


def noise(mode: str, size: tuple[int, int] = SMALL, seed: int = 1) -> Image.Image:
    """Return a picture of deterministic noise in a mode."""
    width, height = size
    pixels = random.Random(f"{seed} {width} {height}")
    if mode in ("I;16", "I;16B", "I"):
        gray = Image.frombytes("I;16", size, pixels.randbytes(width * height * 2))
        return gray if mode == "I;16" else gray.convert("I").convert(mode)
    if mode == "F":
        return Image.frombytes("L", size, pixels.randbytes(width * height)).convert("F")
    if mode == "P":
        image = Image.frombytes("P", size, pixels.randbytes(width * height))
        image.putpalette(pixels.randbytes(768))
        return image
    if mode in ("1", "PA", "La", "RGBa", "LAB", "HSV", "YCbCr"):
        source = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
        return noise(source, size, seed).convert(mode)
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, pixels.randbytes(width * height * bands))


def opened(content: bytes) -> Image.Image:
    """Return the picture as Pillow decodes it, without any help of boardsync's."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def raw_png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    rows: bytes,
    *,
    before: tuple[tuple[bytes, bytes], ...] = (),
    after: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """Write a PNG chunk by chunk: rows with their filter bytes; chunks around the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk with its length and CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(colour: int, size: tuple[int, int] = SMALL) -> bytes:
    """Return a 16-bit PNG of noise. colour: 0 gray, 2 RGB, 4 gray and alpha, 6 RGBA."""
    width, height = size
    row_size = width * 2 * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    pixels = random.Random(colour)
    rows = b"".join(b"\0" + pixels.randbytes(row_size) for _ in range(height))
    return raw_png(width, height, 16, colour, rows)


def as_invokeai_stores(content: bytes) -> bytes:
    """Return the PNG that an InvokeAI server makes of an upload.

    First frame, pixels as decoded, neither turned nor converted; profile, EXIF and the
    transparency of palettes and keys lost. Raises OSError for the modes that it fails on.
    """
    image = opened(content)
    image.info.clear()
    stored = BytesIO()
    if image.mode == "P":
        image.putpalette(image.getpalette("RGB") or [])
    image.save(stored, "PNG", compress_level=1)
    return stored.getvalue()


def _texts(pairs: tuple[tuple[str, str], ...]) -> PngInfo:
    texts = PngInfo()
    for keyword, value in pairs:
        texts.add_text(keyword, value)
    return texts


def _exif(orientation: int | None, thumbnail: bool) -> bytes:
    """EXIF with an orientation, and behind it a whole JPEG as cameras embed one."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.ImageDescription] = "noise"
    return exif.tobytes() + (sample(JPEG, "RGB", (8, 8), seed=99) if thumbnail else b"")


def _rebranded(avif: bytes) -> bytes:
    """The same boxes under HEIC's brand: whole as a container, its pixels no HEVC."""
    size = int.from_bytes(avif[:4], "big")
    return avif[:8] + avif[8:size].replace(b"avif", b"heic") + avif[size:]
