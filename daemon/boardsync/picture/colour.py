"""Colour profiles: into sRGB, which is what a server shows that drops them."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

from boardsync.picture.modes import without_key

_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION

_GRAY: Final = frozenset({"L", "LA"})
_PROFILED: Final = _GRAY | {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}
_NEEDLESS: Final = frozenset({"1", "LAB"})
"""Black and white, and colours that are absolute already."""

_TRANSFORM_MODES: Final = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}

_LEVELS: Final = (*range(0, 256, 36), 255)
_TOLERANCE: Final = 2
"""Profiles of sRGB differ from one another by this much, through rounding."""


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the picture with its colours in sRGB: itself when they are that already.

    None when the profile is broken, is made for other colours, or the picture is 16-bit
    gray, which nothing here converts without losing bits. Alpha stays, and gray stays gray.
    Relative colorimetric with black point compensation, as viewers have it.
    """
    if image.mode in _NEEDLESS:
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if not _fits(image.mode, space):
            return None
        transform = _transform(source, _TRANSFORM_MODES[space])
        if space != "CMYK" and _changes_nothing(transform):
            return image
        return _apply(transform, image)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _fits(mode: str, space: str) -> bool:
    """Tell whether a profile for `space` describes a picture of this mode; gray is RGB too."""
    if mode not in _PROFILED:
        return False
    return space == ("CMYK" if mode == "CMYK" else "RGB") or (mode in _GRAY and space == "GRAY")


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsTransform(source, srgb, mode, "RGB", _INTENT, flags=_FLAGS)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Ask the transform itself, over a grid of colours: names in profiles prove nothing."""
    if transform.input_mode == "L":
        ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
        samples, grid = ramp, ramp.convert("RGB")
    else:
        colours = bytes(c for r in _LEVELS for g in _LEVELS for b in _LEVELS for c in (r, g, b))
        samples = grid = Image.frombytes("RGB", (len(colours) // 3, 1), colours)
    shown = transform.apply(samples).tobytes()
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(shown, grid.tobytes(), strict=True))


def _apply(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    """Convert the colours alone, then put alpha back beside them."""
    alpha = _alpha(image)
    colours = without_key(image)
    if colours.mode != transform.input_mode:
        colours = colours.convert(transform.input_mode)
    shown = transform.apply(colours)
    if image.mode in _GRAY:
        shown = shown.convert("L")
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel, from a palette or colour key if need be."""
    if not image.has_transparency_data:
        return None
    layered = image if "A" in image.getbands() else image.convert("RGBA")
    return layered.getchannel("A")
