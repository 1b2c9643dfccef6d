"""Full decode of untrusted bytes, bounded before the first pixel is touched.

What Pillow makes of hostile content is unbounded in kind: every exception of its becomes
one `PictureRefused` here, and nothing else leaves this module.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from typing import Final

from PIL import ExifTags, Image, UnidentifiedImageError

from boardsync.errors import PictureRefused, TryAgain
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
from boardsync.formats.whole import check

Image.MAX_IMAGE_PIXELS = None
"""Pillow's own guard warns through process-wide filters that threads cannot set apart, and
some plugins ask it too late. `Limits` is asked before Pillow sees the bytes, and again after
it read the header."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one picture may cost. A pixel takes 4 bytes of memory, or less.

    max_pixels: width times height; the default is InvokeAI's. max_bytes: of the content.
    """

    max_pixels: int = 178_956_970
    max_bytes: int = 512 * 1024 * 1024


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture with all its pixels in memory; of an animation, the first frame.

    orientation: the EXIF value that is still to be applied, 1 when the pixels are upright.
    tilted: the file stores its pixels other than upright (TIFF is turned while decoding).
    deep: the file holds more bits per channel than `image` does.
    """

    format: Format
    image: Image.Image
    orientation: int
    tilted: bool
    deep: bool


_PLUGINS: Final[Mapping[Format, tuple[str, str]]] = {
    PNG: ("PNG", "PIL.PngImagePlugin"),
    JPEG: ("JPEG", "PIL.JpegImagePlugin"),
    WEBP: ("WEBP", "PIL.WebPImagePlugin"),
    GIF: ("GIF", "PIL.GifImagePlugin"),
    TIFF: ("TIFF", "PIL.TiffImagePlugin"),
    BMP: ("BMP", "PIL.BmpImagePlugin"),
    AVIF: ("AVIF", "PIL.AvifImagePlugin"),
    ICO: ("ICO", "PIL.IcoImagePlugin"),
    TGA: ("TGA", "PIL.TgaImagePlugin"),
    PPM: ("PPM", "PIL.PpmImagePlugin"),
    JPEG_2000: ("JPEG2000", "PIL.Jpeg2KImagePlugin"),
}

_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_UPRIGHT = 1


def decode(content: bytes, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Decode every pixel of a picture, after it proved whole and within limits.

    Raises PictureRefused with the reason in words.
    """
    return decode_recognised(content, recognise(content, limits), limits)


def decode_recognised(content: bytes, picture_format: Format, limits: Limits) -> Decoded:
    """Decode what `recognise` found to be of a format. Raises PictureRefused."""
    plugin = plugin_of(picture_format)
    with refusing(f"this {picture_format.name} cannot be decoded"):
        image = Image.open(BytesIO(content), formats=(plugin,))
        _demand_pixels(limits, *image.size)
        _demand_pixels(limits, *_tile_size(image))
        deep = _is_deep(image)
        before = orientation_of(image) if picture_format is TIFF else _UPRIGHT
        image.load()
        after = orientation_of(image)
    tilted = before != _UPRIGHT or after != _UPRIGHT
    return Decoded(picture_format, image, after, tilted, deep)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever Pillow raises inside into PictureRefused: `what`, and why.

    Only a lack of memory is TryAgain.
    """
    try:
        yield
    except PictureRefused:
        raise
    except UnidentifiedImageError as error:  # its text names an address in memory
        raise PictureRefused(f"{what}: its header is damaged or not supported") from error
    except MemoryError as error:
        # Says nothing of the picture: another time there may be room.
        raise TryAgain(f"{what}: there is not enough memory for it now") from error
    except Exception as error:
        reason = str(error) or "no reason was given"
        raise PictureRefused(f"{what}: {reason} ({type(error).__name__})") from error


def recognise(content: bytes, limits: Limits = DEFAULT_LIMITS) -> Format:
    """Return the content's format, once it is known to be whole and within limits.

    Raises PictureRefused.
    """
    if len(content) > limits.max_bytes:
        raise PictureRefused(f"too large: {len(content)} bytes, {limits.max_bytes} are allowed")
    verdict = check(content)
    if verdict.format is None:
        raise PictureRefused(verdict.reason)
    if not verdict.whole:
        raise PictureRefused(f"this {verdict.format.name} is not whole: {verdict.reason}")
    _demand_pixels(limits, verdict.width or 0, verdict.height or 0)
    return verdict.format


def _demand_pixels(limits: Limits, width: int, height: int) -> None:
    if width * height > limits.max_pixels:
        raise PictureRefused(
            f"too large, or a decompression bomb: {width} by {height} are"
            f" {width * height} pixels, {limits.max_pixels} are allowed"
        )


def plugin_of(picture_format: Format) -> str:
    """Return Pillow's name of a format, its plugin loaded. Only that one may open the bytes."""
    if picture_format is HEIC:
        _load_heif()
        return "HEIF"
    name, module = _PLUGINS[picture_format]
    importlib.import_module(module)
    return name


def reads_heif() -> bool:
    """Tell whether the optional decoder is installed."""
    try:
        return find_spec("pillow_heif") is not None
    except ValueError:  # somebody has put nothing in its place
        return False


@cache
def _load_heif() -> None:
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise PictureRefused(
            "unsupported: HEIC needs an optional decoder: pip install 'boardsync[heif]', then"
            " restart boardsync"
        ) from error
    heif.register_heif_opener()


_MOVING: Final = frozenset({GIF, PNG, WEBP, AVIF})
"""Formats that animations come in. Pages of a TIFF and views of a phone's JPEG do not move."""


def is_animation(content: bytes, picture_format: Format) -> bool:
    """Tell whether a picture that decodes has more frames than one."""
    if picture_format not in _MOVING:
        return False
    try:
        with Image.open(BytesIO(content), formats=(plugin_of(picture_format),)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # of a damaged second frame nobody sees anything
        return False


def _tile_size(image: Image.Image) -> tuple[int, int]:
    """The size of a TIFF's tiles, which are allocated whole, however small the picture."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)


def _is_deep(image: Image.Image) -> bool:
    """Tell whether decoding to this mode drops bits: Pillow's colours have 8 per channel."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return False
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def orientation_of(image: Image.Image) -> int:
    """Read the EXIF orientation. EXIF that cannot be read turns no picture in any viewer."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return _UPRIGHT
    return value if isinstance(value, int) and value in range(2, 9) else _UPRIGHT
