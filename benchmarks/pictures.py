"""The pictures that are measured with: real PNGs, all different, the same in every run."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

SMALL_SIZE = (35, 38)
"""Uncompressed RGB pixels of this size make a PNG of exactly 4 KiB."""
FOLDER_FILES = 1000
PICTURES_A_GO = 4
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHADES = bytes(96 + 8 * (value % 8) for value in range(256))
"""Eight shades a channel: about as compressible as a photograph."""


def small_png(number: int) -> bytes:
    """Return a PNG of 4096 bytes; another one for each number."""
    return _png(*SMALL_SIZE, random.Random(number).randbytes(_row_bytes(*SMALL_SIZE)), level=0)


def noise_png(number: int, size: tuple[int, int]) -> bytes:
    """Return a PNG as large as a photograph of this size would be."""
    pixels = random.Random(number).randbytes(_row_bytes(*size)).translate(_SHADES)
    return _png(*size, pixels, level=1)


def small_tree(folder: Path, count: int) -> None:
    """Write pictures of 4 KiB into subfolders of a thousand."""
    for number in range(count):
        below = folder / f"{number // FOLDER_FILES:04}"
        if number % FOLDER_FILES == 0:
            below.mkdir(parents=True)
        (below / f"{number:07}.png").write_bytes(small_png(number))


def telling_tree(folder: Path, count: int) -> None:
    """Write small pictures that say how they were made into subfolders of a thousand.

    Four of each go have the same words and seeds that follow one another, as people make them.
    """
    for number in range(count):
        below = folder / f"{number // FOLDER_FILES:04}"
        if number % FOLDER_FILES == 0:
            below.mkdir(parents=True)
        (below / f"{number}-{number}.png").write_bytes(telling_png(number))


def telling_png(number: int) -> bytes:
    """Return a small PNG with the text that AUTOMATIC1111 writes: some 700 characters."""
    chance = random.Random(number // PICTURES_A_GO)
    words = " ".join(f"word{chance.randrange(5000)}," for _ in range(50))
    model = chance.choice(("sd_xl_base_1.0", "ponyDiffusionV6XL", "flux1-dev", "dreamshaper_8"))
    text = (
        f"masterpiece, {words} best quality\nNegative prompt: blurry, lowres, bad anatomy, extra"
        f" fingers, watermark\nSteps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5,"
        f" Seed: {number}, Size: 832x1216, Model hash: 67ab2fd8ec, Model: {model}, Version: v1.10.1"
    )
    pixels = random.Random(number).randbytes(_row_bytes(8, 8))
    return _png(8, 8, pixels, level=1, texts=(b"parameters\0" + text.encode(),))


def noise_folder(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write large pictures into one folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(noise_png(number, size))


def _row_bytes(width: int, height: int) -> int:
    return width * height * 3


def _png(
    width: int, height: int, pixels: bytes, *, level: int, texts: tuple[bytes, ...] = ()
) -> bytes:  # fmt: skip
    row = width * 3
    rows = b"".join(b"\0" + pixels[start : start + row] for start in range(0, len(pixels), row))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    chunks = [
        (b"IHDR", head), *((b"tEXt", text) for text in texts),
        (b"IDAT", zlib.compress(rows, level)), (b"IEND", b""),
    ]  # fmt: skip
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
