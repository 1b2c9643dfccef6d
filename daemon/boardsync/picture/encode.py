"""Writes a prepared picture as a PNG, JPEG or WebP, with what it carries along."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from PIL.PngImagePlugin import PngInfo

from boardsync.formats import JPEG, PNG, WEBP, Format
from boardsync.formats.kept.packet import KEYWORD
from boardsync.picture.carried import Carried
from boardsync.picture.decode import plugin_of
from boardsync.picture.draft import Draft

QUICK: Final = 1
"""PNG's compression for a server that encodes it anew."""
SMALL: Final = 6
"""The one for pictures that stay what they are made here."""
_LONGEST_KEYWORD: Final = 79
_MOST_OF_JPEG: Final = 65_000


def encode_png(
    draft: Draft, texts: dict[str, str], exif: bytes | None, packet: bytes = b"",
    level: int = QUICK,
) -> bytes:  # fmt: skip
    """Write a PNG. texts: by keyword; those that are none are left out."""
    info = PngInfo()
    for keyword, text in texts.items():
        if 0 < len(keyword) <= _LONGEST_KEYWORD:
            info.add_text(keyword, text)
    if packet:
        info.add_itxt(KEYWORD, packet.decode("utf-8", "replace"))
    options = {"pnginfo": info, "exif": exif, "compress_level": level}
    return _saved(draft, PNG, options)


def encode_lossy(
    draft: Draft, kind: Format, carried: Carried, quality: int, *, lossless: bool
) -> bytes:  # fmt: skip
    """Write a JPEG or WebP. lossless: for a WebP that was so before."""
    options: dict[str, Any] = {"quality": quality}
    if kind is JPEG and carried.comment:
        options["comment"] = carried.comment
    exif = carried.exif(kind)
    if exif is not None:
        options["exif"] = exif
    if carried.packet and not (kind is JPEG and len(carried.packet) > _MOST_OF_JPEG):
        options["xmp"] = carried.packet
    elif carried.packet:
        carried.cut = True
    if kind is WEBP:
        options["lossless"] = lossless
    return _saved(draft, kind, options)


def _saved(draft: Draft, kind: Format, options: dict[str, Any]) -> bytes:
    packed, name, image = BytesIO(), plugin_of(kind), draft.image
    # What the picture still remembers of its file, such as a comment, must not come along.
    image.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    image.save(packed, name, icc_profile=draft.profile, **options)
    return packed.getvalue()
